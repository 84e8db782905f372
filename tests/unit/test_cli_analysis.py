"""`guotu explain --analyze` on the screen: what happened at each level, what is slow or lost, and what is left out."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from guotu.model.answer import Completeness, MemberOutcome, Outcome, Trailer
from guotu.model.attempt import Attempt, Ending
from guotu.model.plan import Decision, ExpectedDataset, Plan, PlanStep
from guotu.model.question import CompletenessMode, Scope
from node.cli.documents import plan_document
from node.cli.plan_tree import plan_tree
from node.cli.remarkable import remarkable, slow_ones

PAGE = (Path(__file__).parents[2] / "docs/reference/explain.md").read_text(encoding="utf-8")


def step(node: str, *attempts: Attempt, below: Plan | None = None, **more: Any) -> PlanStep:
    expected = (ExpectedDataset(f"{node}/dltb", 3, 10, 1.0, True, "MAY_MATCH"),)
    return PlanStep(node, Decision.ASK, "MAY_MATCH", expected=expected, plan=below, attempts=attempts, **more)


def plan(*steps: PlanStep, node: str = "100000") -> Plan:
    return Plan(node, "dltb", Scope.SUBTREE, steps, ("fields *",), "merge groups")


def answered(node: str, took_ms: float = 10.0, **more: Any) -> Attempt:
    return Attempt(node, Ending.ANSWERED, sign_ms=1.0, rows_ms=took_ms / 2, ended_ms=took_ms, rows=7, **more)


def shown(found: Plan, *members: MemberOutcome, width: int = 200) -> str:
    happened = Trailer(Completeness(CompletenessMode.ALLOW_PARTIAL, members), 7, 1000, b"\2" * 32)
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False)
    console.print(plan_tree(found, happened))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


LOST = step("510000", Attempt("510000", Ending.FAILED, reason="NODE_UNAVAILABLE", ended_ms=3.0))
HEDGED = step(
    "520000",
    Attempt("520000", Ending.OVERTAKEN, ended_ms=250.0),
    answered("510000", standby=True, cause="LATE", asked_ms=120.0, store_ms=4.0),
)


def test_a_hedge_tells_why_when_and_who_was_first() -> None:
    text = shown(plan(HEDGED))
    overtaken, won = (line for line in text.splitlines() if "末帧 last" in line)
    assert "落后 OVERTAKEN" in overtaken
    assert "首信 sign —" in overtaken
    assert "250 ms" in overtaken
    for expected in (
        "已答 ANSWERED",
        "候补 standby 510000",
        "因 because LATE",
        "第 after 120 ms",
        "存储 store 4.0 ms",
        "7 行 rows",
    ):
        assert expected in won


def test_lost_and_slow_members_are_marked() -> None:
    found = plan(LOST, step("500000", answered("500000")), step("530000", answered("530000", 400.0)))
    lost = MemberOutcome("510000", "510000/dltb", Outcome.UNREACHABLE, "NODE_UNAVAILABLE")
    well = MemberOutcome("500000", "500000/dltb", Outcome.ANSWERED, version=3)
    text = shown(found, lost, well)
    assert "失败 FAILED  NODE_UNAVAILABLE" in text
    assert "510000/dltb@0  UNREACHABLE" in text
    assert [line for line in text.splitlines() if "慢 SLOW" in line] == [
        line for line in text.splitlines() if "400 ms" in line
    ]
    assert "500000/dltb@3  ANSWERED" not in text, "the attempt says it"
    old = replace(well, version=2)
    assert "500000/dltb@2  ANSWERED" in shown(found, old)


def test_what_only_waited_for_the_merge_is_not_slow() -> None:
    held = answered("520000", 900.0, held_ms=880.0)
    assert slow_ones(plan(step("510000", answered("510000")), step("520000", held))) == set()
    assert slow_ones(plan(step("520000", answered("520000", 900.0)))) == set(), "there is nothing to compare with"


def test_of_a_great_tree_what_stands_out_is_shown() -> None:
    counties = [step(f"5101{number:02d}", answered("x")) for number in range(60)]
    cities = [
        step(f"51{number:02d}00", answered("x"), below=plan(*counties, node=f"51{number:02d}00"))
        for number in range(1, 6)
    ]
    counties[7] = LOST
    cities.append(step("519900", answered("x"), below=plan(*counties, node="519900")))
    found = plan(*cities)
    assert [item.node for item in remarkable(found)] == ["510100", "519900"]
    text = shown(found)
    assert "NODE_UNAVAILABLE" in text
    assert "4 more members" in text
    assert len(text.splitlines()) < 30
    unasked = Console(file=io.StringIO(), width=200, highlight=False, markup=False)
    unasked.print(plan_tree(found, None))
    assert isinstance(unasked.file, io.StringIO)
    assert "more members" not in unasked.file.getvalue(), "before it is asked, all that is planned is shown"


@pytest.mark.parametrize("width", [60, 80])
def test_lines_fit_a_terminal(width: int) -> None:
    inner = plan(step("510100", answered("510100", store_ms=3.0, queued_ms=2.0, node_ms=9.0)), node="510000")
    text = shown(plan(step("510000", answered("510000"), below=inner), HEDGED), width=width)
    console = Console(width=width)
    assert max(console.measure(line).maximum for line in text.splitlines()) <= width


def test_the_page_names_all_that_programs_get() -> None:
    (told, _) = plan_document(plan(HEDGED))["steps"][0]["attempts"]
    named = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert set(told) <= named
    assert {str(ending) for ending in Ending} <= set(re.findall(r"\| ([A-Z]+) ", PAGE))
