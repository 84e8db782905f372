"""Answers of members that all do their part: rows, groups, header, trailer, warnings."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from guotu.model.answer import Notice, Outcome
from guotu.model.digest import result_digest
from guotu.model.question import (
    Aggregate,
    AggregateFunction,
    CompletenessMode,
    Options,
    Query,
    Scope,
    Selection,
    SortKey,
    Stats,
)
from guotu.model.records import Extent
from tests.support.scripted_mesh import (
    FIELDS,
    TOTALS,
    Mesh,
    expected_totals,
    rows_of,
    sorted_rows,
    three,
)
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")


async def test_rows_come_in_member_order_with_header_and_trailer() -> None:
    members = three()
    mesh = Mesh(*members)
    heard = await mesh.ask(rows_of(Options()))
    assert heard.failure is None
    assert [row["BSM"] for row in heard.rows] == [row["BSM"] for member in members for row in member.rows]
    cut = {"510000/dltb": 2, "510100/dltb": 3, "510200/dltb": 4}
    assert (heard.header.request_id, heard.header.node, heard.header.cut) == ("request-1", "510000", cut)
    assert heard.header.schema.names == list(FIELDS)
    trailer = heard.trailer
    assert (trailer.rows, trailer.completeness.complete) == (105, True)
    assert [(part.dataset, part.version, part.rows) for part in trailer.segments] == [
        ("510000/dltb", 2, 25),
        ("510100/dltb", 3, 35),
        ("510200/dltb", 4, 45),
    ]
    assert trailer.digest == result_digest(trailer.segments)
    assert {name: member.outcome for name, member in heard.outcomes.items()} == dict.fromkeys(
        ("510000", "510100", "510200"), Outcome.ANSWERED
    )
    assert heard.outcomes["510200"].rows == 45
    assert mesh.observed == list(trailer.completeness.members)


async def test_members_are_asked_what_is_theirs() -> None:
    mesh = Mesh(*three(), Member("510104", parcels("510104", 5)))
    await mesh.ask(replace(rows_of(Options()), limit=7, selection=Selection("DLBM = '0101'")), timeout=10)
    (question,) = mesh.members["510100"].asked
    assert isinstance(question, Query)
    assert question.selection.filter == "DLBM = '0101'"
    assert question.limit == 7
    assert question.options.completeness is CompletenessMode.ALLOW_PARTIAL
    assert question.options.scope is Scope.SUBTREE
    assert question.options.cut == {"510100/dltb": 3, "510104/dltb": 1}
    assert mesh.members["510104"].asked == []
    (timeout,) = mesh.members["510100"].timeouts
    assert timeout is not None
    assert 8.0 < timeout < 10.0


async def test_sorted_rows_are_merged_with_ties_in_member_order() -> None:
    members = three(batch_rows=7)
    heard = await Mesh(*members).ask(replace(sorted_rows(Options()), sort=(SortKey("TBMJ", descending=True),)))
    rows = [(-row["TBMJ"], row["BSM"]) for member in members for row in member.rows]
    assert [(-row["TBMJ"], row["BSM"]) for row in heard.rows] == sorted(rows)  # type: ignore[operator]
    assert [(part.dataset, part.rows) for part in heard.trailer.segments] == [("", 105)]


async def test_a_sort_field_that_was_not_asked_for_does_not_come() -> None:
    heard = await Mesh(*three()).ask(Query("dltb", fields=("DLBM",), sort=(SortKey("TBMJ"),), limit=3))
    assert [list(row) for row in heard.rows] == [["DLBM"]] * 3


@pytest.mark.parametrize("by", [("DLBM",), ()])
async def test_groups_are_merged_exactly(by: tuple[str, ...]) -> None:
    members = three()
    heard = await Mesh(*members).ask(replace(TOTALS, group_by=by))
    expected = expected_totals(*members)
    if not by:
        expected = [{"n": 105, "area": sum((row["area"] for row in expected), Decimal(0))}]  # type: ignore[misc]
    assert heard.rows == expected
    assert heard.trailer.rows == len(expected)


async def test_averages_are_finished_here() -> None:
    members = three()
    heard = await Mesh(*members).ask(Stats("dltb", (Aggregate(AggregateFunction.AVG, "TBMJ", "mean"),)))
    areas = [row["TBMJ"] for member in members for row in member.rows]
    assert heard.rows == [{"mean": pytest.approx(sum(areas) / len(areas))}]


async def test_nobody_expected_is_an_empty_and_complete_answer() -> None:
    heard = await Mesh(*three()).ask(Query("dltb", Selection(bbox=Extent(80, 40, 81, 41)), FIELDS))
    assert heard.failure is None
    assert heard.rows == []
    assert {member.outcome for member in heard.outcomes.values()} == {Outcome.PRUNED}
    nowhere = Selection(bbox=Extent(80, 40, 81, 41))
    heard = await Mesh(*three()).ask(Stats("dltb", TOTALS.aggregates, selection=nowhere))
    assert heard.rows == [{"n": 0, "area": None}]


async def test_warnings_of_members_and_of_a_stale_directory_are_passed_on() -> None:
    notice = Notice("SLOW_DISK", "磁盘慢 slow", "510100")
    heard = await Mesh(*three(notices=(notice,)), stale=True).ask(rows_of(Options()))
    assert heard.notices == ["STALE_REGISTRY", "SLOW_DISK"]
    assert heard.trailer.completeness.stale_registry
    assert heard.failure is None


async def test_an_answer_of_nobody_says_so() -> None:
    """Nothing is missing, but no rows because nobody has any is not the same as none that match."""
    for question in (rows_of(Options()), Stats("dltb", TOTALS.aggregates)):
        heard = await Mesh().ask(question)
        assert heard.failure is None
        assert (heard.notices, heard.trailer.completeness.complete) == (["NO_DATASET"], True)
    heard = await Mesh(*three()).ask(Query("dltb", Selection(bbox=Extent(80, 40, 81, 41)), FIELDS))
    assert heard.notices == []
