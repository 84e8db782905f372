"""The greatest groups and the nearest features, over scripted members: decided by all that they have together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely

from federation.validate import check_query, check_stats
from guotu.model.answer import Outcome
from guotu.model.distance import Distances
from guotu.model.errors import IncompleteAnswer, InvalidInput, InvalidQuestion
from guotu.model.question import (
    Aggregate,
    AggregateFunction,
    Bins,
    Nearest,
    Options,
    Quantiles,
    Query,
    SortKey,
    Stats,
)
from tests.support.federation_parts import PARCELS
from tests.support.scripted_mesh import LOST, PARTIAL, TOTALS, Mesh, expected_totals, three
from tests.support.scripted_peers import Member

pytestmark = pytest.mark.usefixtures("idle_time")


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


LUCK = np.random.default_rng(4)
CORNERS = np.round(LUCK.random((60, 2)) * (0.2, 0.3) + (104, 30.5), 2)  # some are equally near
SHAPES = shapely.box(*CORNERS.T, *(CORNERS + 0.004).T)
PLOTS = [
    {"BSM": f"{number:06d}", "DLBM": "0101", "geometry": shapely.to_wkb(shape)} for number, shape in enumerate(SHAPES)
]
HERE = shapely.Point(104.1, 30.65)
NEAREST = Query("dltb", fields=("BSM",), limit=7, nearest=Nearest(shapely.to_wkb(HERE)))


def plots(*sizes: int) -> Mesh:
    names, members, start = ("510000", "510100", "510700"), [], 0
    for name, size in zip(names, sizes, strict=False):
        members.append(Member(name, PLOTS[start : start + size]))
        start += size
    return Mesh(*members)


@pytest.mark.parametrize("sizes", [(60,), (20, 40), (1, 29, 30), (0, 30, 30)])
@pytest.mark.parametrize("fields", [("BSM",), ("DLBM", "geometry"), ()])
async def test_the_nearest_are_those_of_all_members_together(sizes: tuple[int, ...], fields: tuple[str, ...]) -> None:
    heard = await plots(*sizes).ask(replace(NEAREST, fields=fields))
    assert heard.failure is None
    metres = Distances(HERE).of(SHAPES)
    order = np.lexsort((np.arange(60), metres))[:7]
    assert [row["distance_m"] for row in heard.rows] == metres[order].tolist()
    names = fields or PARCELS.column_names
    assert heard.header.schema.names == ["distance_m", *names]
    if "BSM" in names:
        assert [row["BSM"] for row in heard.rows] == [f"{number:06d}" for number in order]
    whole = await plots(60).ask(replace(NEAREST, fields=fields))
    assert heard.trailer.digest == whole.trailer.digest


async def test_a_member_is_asked_for_its_own_nearest() -> None:
    mesh = plots(20, 40)
    await mesh.ask(NEAREST)
    (asked,) = mesh.members["510100"].asked
    assert isinstance(asked, Query)
    assert (asked.nearest, asked.limit, asked.fields) == (NEAREST.nearest, 7, ("BSM",))


FAULTS = [
    ({"limit": 0}, "limit"),
    ({"limit": 10_001}, "limit"),
    ({"sort": (SortKey("BSM"),)}, "sort"),
    ({"nearest": Nearest(b"nonsense")}, "nearest"),
    ({"nearest": Nearest(shapely.to_wkb(HERE), -1.0)}, "nearest"),
    ({"nearest": Nearest(shapely.to_wkb(HERE), 1e7)}, "nearest"),
    ({"nearest": Nearest(shapely.to_wkb(HERE), float("nan"))}, "nearest"),
    ({"nearest": Nearest(shapely.to_wkb(shapely.Point(30, 104)))}, "longitude first"),
]


@pytest.mark.parametrize(("change", "told"), FAULTS)
def test_what_cannot_be_near(change: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        check_query(replace(NEAREST, **change), PARCELS)  # type: ignore[arg-type]


COUNTED = (Aggregate(AggregateFunction.COUNT, "", "n"),)
KINDS: dict[str, Query | Stats] = {
    "nearest": NEAREST,
    "top": Stats("dltb", COUNTED, ("DLBM",), top=2),
    "classes": Stats("dltb", COUNTED, bins=Bins("TBMJ", 5)),
    "quantiles": Stats("dltb", (), quantiles=Quantiles("TBMJ", (0.1, 0.5, 1.0))),
}
VALUED = [{**row, "TBMJ": float(number * 7919 % 1000) / 100} for number, row in enumerate(PLOTS)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("failure", [None, LOST])
async def test_a_replica_answers_for_a_lost_owner(kind: str, failure: Exception | None) -> None:
    copy = Member("510100", VALUED[20:40])
    mesh = Mesh(
        Member("510000", VALUED[:20]),
        Member("510100", VALUED[20:40], failure=failure),
        Member("510700", VALUED[40:], holds=(copy,)),
    )
    heard = await mesh.ask(KINDS[kind])
    assert heard.failure is None
    assert heard.trailer.completeness.complete
    assert heard.outcomes["510100"].outcome is (Outcome.REPLICA if failure else Outcome.ANSWERED)
    whole = await Mesh(Member("510000", VALUED)).ask(KINDS[kind])
    assert heard.rows == whole.rows
    assert heard.trailer.digest == whole.trailer.digest


@pytest.mark.parametrize("kind", KINDS)
async def test_a_lost_member_fails_the_question_or_marks_its_answer(kind: str) -> None:
    mesh = Mesh(Member("510000", VALUED[:20]), Member("510100", VALUED[20:], failure=LOST))
    assert isinstance((await mesh.ask(KINDS[kind])).failure, IncompleteAnswer)
    heard = await mesh.ask(replace(KINDS[kind], options=PARTIAL))
    assert heard.failure is None
    assert not heard.trailer.completeness.complete
    assert heard.rows == (await Mesh(Member("510000", VALUED[:20])).ask(KINDS[kind])).rows
