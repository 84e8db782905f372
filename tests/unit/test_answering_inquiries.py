"""The greatest groups and distinct values, over scripted members: decided by all that they have together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.validate import check_stats
from guotu.model.errors import InvalidQuestion
from guotu.model.question import Options, Query, SortKey, Stats
from tests.support.federation_parts import PARCELS
from tests.support.scripted_mesh import LOST, PARTIAL, TOTALS, Mesh, expected_totals, three
from tests.support.scripted_peers import Member


def classes(node: str, **counts: int) -> Member:
    """Return a member with so many rows of each class."""
    rows = [
        {"BSM": f"{node}{name}{number}", "DLBM": name, "TBMJ": 1.0}
        for name, count in counts.items()
        for number in range(count)
    ]
    return Member(node, rows)


async def test_the_greatest_groups_are_those_of_all_members_together() -> None:
    # b is never the first of a member, but the first of all.
    mesh = Mesh(classes("510000", a=5, b=4), classes("510100", c=5, b=4), classes("510200", d=5, b=4, e=3))
    heard = await mesh.ask(replace(TOTALS, top=3))
    assert [(row["DLBM"], row["n"]) for row in heard.rows] == [("b", 12), ("a", 5), ("c", 5)]
    assert "keep the 3 greatest by n" in heard.header.plan.merge
    (asked,) = mesh.members["510100"].asked
    assert isinstance(asked, Stats)
    assert asked.top == 0


async def test_more_than_there_are_gives_all() -> None:
    members = three()
    heard = await Mesh(*members).ask(replace(TOTALS, top=100))
    groups = expected_totals(*members)
    assert sorted(heard.rows, key=lambda row: str(row["DLBM"])) == groups
    assert [row["n"] for row in heard.rows] == sorted((row["n"] for row in groups), reverse=True)


async def test_of_a_partial_answer_they_are_those_of_who_answered() -> None:
    members = classes("510000", a=2, b=1), replace(classes("510100", b=9), failure=LOST)
    heard = await Mesh(*members).ask(replace(TOTALS, top=1, options=PARTIAL))
    assert [(row["DLBM"], row["n"]) for row in heard.rows] == [("a", 2)]
    assert not heard.trailer.completeness.complete


@pytest.mark.parametrize("change", [{"top": -1}, {"top": 1_000_001}, {"top": 1, "group_by": ()}])
def test_what_cannot_be_meant(change: dict[str, object]) -> None:
    with pytest.raises(InvalidQuestion, match="top"):
        check_stats(replace(TOTALS, **change), PARCELS)  # type: ignore[arg-type]


async def test_the_first_rows_in_an_order_are_chosen_at_their_owners() -> None:
    mesh = Mesh(*three())
    heard = await mesh.ask(Query("dltb", fields=("BSM",), sort=(SortKey("TBMJ", True),), limit=4, options=Options()))
    assert len(heard.rows) == 4
    (asked,) = mesh.members["510200"].asked
    assert isinstance(asked, Query)
    assert (asked.limit, asked.sort) == (4, (SortKey("TBMJ", True),))
