"""A plan as a tree for the screen: each member, what is done with it and why, and what happened there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from guotu.model.answer import Outcome
from guotu.model.plan import Decision, Plan, PlanStep
from node.cli.attempt_lines import attempt_line, attempt_style
from node.cli.outcomes import completeness_line
from node.cli.remarkable import remarkable, slow_ones, steps_of
from node.cli.wording import count, size

if TYPE_CHECKING:
    from rich.tree import Tree

    from guotu.model.answer import MemberOutcome, Trailer

_DECISIONS = {
    Decision.LOCAL: ("本地 LOCAL", "green"),
    Decision.ASK: ("询问 ASK", "green"),
    Decision.PRUNE: ("跳过 PRUNE", "dim"),
    Decision.MISSING: ("缺失 MISSING", "bold red"),
}
_CUT_SHOWN = 12
_STEPS_SHOWN = 200
"""Of trees with more steps that were analysed, only those that are worth a look."""
_CUT_SHOWN_ABOVE = 3
"""Datasets named of a step whose own plan names them again."""


def plan_tree(plan: Plan, happened: Trailer | None) -> Tree:
    """Return the tree of a plan; with attempts and outcomes of the members where the question was analysed."""
    from rich.text import Text
    from rich.tree import Tree

    outcomes: dict[str, list[MemberOutcome]] = {}
    for member in happened.completeness.members if happened is not None else ():
        outcomes.setdefault(member.dataset, []).append(member)
    root = Tree(Text(_headline(plan), "bold"))
    if plan.pushed_down:
        root.add(Text(f"下推 pushed down: {', '.join(plan.pushed_down)}"))
    _grow(root, plan, outcomes, happened is not None and steps_of(plan) > _STEPS_SHOWN)
    return root


def _headline(plan: Plan) -> str:
    stale = "  STALE_REGISTRY" if plan.stale_registry else ""
    return f"节点 node {plan.node}  {plan.collection}  {plan.scope}  计划 planned in {plan.planning_ms:.1f} ms{stale}"


def _grow(branch: Tree, plan: Plan, outcomes: dict[str, list[MemberOutcome]], crowded: bool) -> None:
    from rich.text import Text

    if plan.merge:
        branch.add(Text(f"合并 merge: {plan.merge}"))
    slow = slow_ones(plan)
    shown = remarkable(plan) if crowded else plan.steps
    for step in shown:
        _, style = _DECISIONS[step.decision]
        twig = branch.add(Text(_step_line(step), style))
        if step.standbys:
            twig.add(Text(_standby_line(step), "dim"))
        if step.detour:
            twig.add(Text(f"可绕道 detour: {', '.join(step.detour)}", "dim"))
        for attempt in step.attempts:
            late = id(attempt) in slow
            twig.add(Text(attempt_line(attempt, late), attempt_style(attempt, late)))
        if step.plan is not None:
            _grow(twig.add(Text(_headline(step.plan))), step.plan, outcomes, crowded)
            continue
        for dataset in step.cut:
            for member in outcomes.get(dataset, ()):
                if not (step.attempts and _as_planned(member, step)):
                    twig.add(Text(_outcome_line(member), "" if member.outcome.whole else "bold red"))
    if len(shown) < len(plan.steps):
        others = len(plan.steps) - len(shown)
        branch.add(Text(f"… 另有 {others} 个成员如常 {others} more members, nothing remarkable", "dim"))


def _as_planned(member: MemberOutcome, step: PlanStep) -> bool:
    """Tell whether an outcome says nothing that the step and its attempts do not."""
    return member.outcome is Outcome.ANSWERED and not member.reason and member.version == step.cut[member.dataset]


def _step_line(step: PlanStep) -> str:
    """One line: decision, member, reason, where, which versions, how many rows."""
    word, _ = _DECISIONS[step.decision]
    parts = [word, step.node, step.reason, step.detail, step.address, _pins(step)]
    if step.advertised_rows:
        parts.append(f"{count(step.advertised_rows)} 行 rows")
    return "  ".join(filter(None, parts))


def _pins(step: PlanStep) -> str:
    shown = _CUT_SHOWN if step.plan is None else _CUT_SHOWN_ABOVE
    pins = [f"{name}@{version}" for name, version in sorted(step.cut.items())]
    return " ".join(pins[:shown]) + (f" … +{len(pins) - shown}" if len(pins) > shown else "")


def _standby_line(step: PlanStep) -> str:
    """One line: who may answer in the member's place, by dataset."""
    names = [f"{standby.dataset} {standby.node}" for standby in step.standbys]
    more = f" … +{len(names) - _CUT_SHOWN}" if len(names) > _CUT_SHOWN else ""
    return f"候补副本 standbys: {', '.join(names[:_CUT_SHOWN])}{more}"


def _outcome_line(member: MemberOutcome) -> str:
    parts = [
        f"{member.dataset}@{member.version}", str(member.outcome), member.reason, f"{count(member.rows)} 行 rows",
        size(member.size_bytes), f"{member.elapsed_ms:,.0f} ms", member.detail,
    ]  # fmt: skip
    return "  ".join(filter(None, parts))


def analysis_lines(happened: Trailer | None) -> Iterator[str]:
    """Yield what is said below the tree of an analysed question."""
    if happened is None:
        return
    yield (
        f"{count(happened.rows)} 行 rows, {size(happened.size_bytes)}, {happened.elapsed_ms:,.0f} ms, "
        f"{completeness_line(happened.completeness)}"
    )
    yield f"摘要 digest  {happened.digest.hex()}"
