"""The planner: a question and a directory in, a printable plan out. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from federation.filter.phrase import phrase
from federation.planning.prune import MAY_MATCH, Prunable, decide
from federation.planning.topology import Topology
from federation.selection import BoundSelection, bind_selection
from guotu.model.collection import Collection
from guotu.model.plan import Decision, ExpectedDataset, Plan, PlanStep
from guotu.model.ports import Directory, DirectoryView
from guotu.model.question import Cut, Query, Question, Scope
from guotu.model.records import DatasetRecord

Holdings = Callable[[], Mapping[str, DatasetRecord]]
"""The node's own datasets by collection id: its own truth, ahead of the registry."""


class Planner:
    """Plans questions for one node."""

    def __init__(self, node: str, directory: Directory, holdings: Holdings) -> None:
        self._node = node
        self._directory = directory
        self._holdings = holdings
        self._topology = Topology({})

    def plan(self, question: Question, collection: Collection) -> tuple[Plan, BoundSelection]:
        """Return the plan and the bound selection.

        Raises:
            InvalidFilter, InvalidQuestion, UnknownField, TooLarge: the selection is not valid.
        """
        started = time.perf_counter()
        selection = bind_selection(question.selection, collection)
        view = self._directory.view()
        steps = self._steps(question, view, selection)
        plan = Plan(
            node=self._node,
            collection=collection.id,
            scope=question.options.scope,
            steps=steps,
            pushed_down=pushed_down(question, selection),
            merge=merge_phrase(question, steps),
            stale_registry=view.stale,
            directory_as_of_ms=view.as_of_ms,
            planning_ms=(time.perf_counter() - started) * 1000,
        )
        return plan, selection

    def _steps(self, question: Question, view: DirectoryView, selection: BoundSelection) -> tuple[PlanStep, ...]:
        prunable = Prunable.of(selection)
        cut = question.options.cut
        own = self._holdings().get(question.collection)
        steps = []
        if own is not None:
            steps.append(self._local_step(_expect(prunable, own, cut)))
        if question.options.scope is Scope.SUBTREE:
            members = self._members(question.collection, view)
            steps.extend(
                _member_step(name, [_expect(prunable, record, cut) for record in records], view)
                for name, records in sorted(members.items())
            )
        return tuple(steps)

    def _local_step(self, expected: ExpectedDataset) -> PlanStep:
        decision = Decision.LOCAL if expected.keep else Decision.PRUNE
        return PlanStep(self._node, decision, expected.reason, expected=(expected,))

    def _members(self, collection: str, view: DirectoryView) -> dict[str, list[DatasetRecord]]:
        """Return the datasets below this node, by the child through which they are reached."""
        if self._topology.nodes is not view.nodes:
            self._topology = Topology(view.nodes)
        members: dict[str, list[DatasetRecord]] = {}
        for record in view.datasets.get(collection, {}).values():
            child = self._topology.step(self._node, record.node)
            if child is not None:
                members.setdefault(child, []).append(record)
        return members


def _expect(selection: Prunable, record: DatasetRecord, cut: Cut) -> ExpectedDataset:
    keep, reason = decide(selection, record)
    version = cut.get(record.dataset, record.version)
    if version != record.version and reason not in ("OUTSIDE_DIVISION", "FILTER_IS_FALSE"):
        # What is advertised describes the head; an older version may have lain elsewhere.
        keep, reason = True, MAY_MATCH
    return ExpectedDataset(record.dataset, version, record.rows, record.territory_m2, keep, reason)


def _member_step(node: str, expected: list[ExpectedDataset], view: DirectoryView) -> PlanStep:
    ordered = tuple(sorted(expected, key=lambda item: item.dataset))
    kept = [item for item in ordered if item.keep]
    if not kept:
        reasons = sorted({item.reason for item in ordered})
        return PlanStep(node, Decision.PRUNE, "+".join(reasons), expected=ordered)
    record = view.nodes.get(node)
    if record is None:
        detail = "it is not registered at the moment (its lease has expired)"
        return PlanStep(node, Decision.MISSING, "NOT_REGISTERED", detail, expected=ordered)
    alone = all(item.dataset.split("/")[0] == node for item in ordered)
    scope = Scope.SELF if alone else Scope.SUBTREE
    detail = f"{len(kept)} of {len(ordered)} datasets may match"
    return PlanStep(node, Decision.ASK, MAY_MATCH, detail, record.address, scope, ordered)


def pushed_down(question: Question, selection: BoundSelection) -> tuple[str, ...]:
    """Return what the members do, one short phrase each."""
    phrases = [] if selection.expression is None else [f"filter {phrase(selection.expression)}"]
    if isinstance(question, Query):
        phrases.append(f"fields {', '.join(question.fields) or '*'}")
        phrases += [f"sort {', '.join(_sort_phrase(question))}"] if question.sort else []
        phrases += [f"limit {question.limit}"] if question.limit else []
        return tuple(phrases)
    phrases.append(f"group by {', '.join(question.group_by) or '()'}")
    partials = [f"{item.function}({item.field or '*'})" for item in question.aggregates]
    phrases.append(f"partials {', '.join(partials)}")
    return tuple(phrases)


def _sort_phrase(query: Query) -> list[str]:
    return [f"{key.field} {'DESC' if key.descending else 'ASC'}" for key in query.sort]


def merge_phrase(question: Question, steps: tuple[PlanStep, ...]) -> str:
    """Return what this node does with the members' answers."""
    if not isinstance(question, Query):
        return "merge groups"
    if question.sort:
        return "merge sorted"
    asked = sum(step.decision in (Decision.LOCAL, Decision.ASK) for step in steps)
    return "concatenate in member order" if asked > 1 else "pass through"
