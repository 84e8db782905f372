"""All pages together are the whole answer at the cut of the first, whatever is stored, asked, published."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guotu.model.errors import NobodyAnswered
from guotu.model.question import CompletenessMode, Options, Page, Query, Scope, SortKey
from tests.support.mesh_of_rows import MeshOfRows, Row, in_order

NODES = ("100000", "510000", "510000-ch", "510100", "510104", "520000")
PAGED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "DLBM": st.none() | st.sampled_from(["", "0101", "0102", "水田", "'"]),
    "TBMJ": st.none() | st.sampled_from([-1.5, 0.0, 0.1, 2.25]),
    "KD": st.none() | st.sampled_from([-1e300, 0.0, 0.1, 5e-324]),
    "SJNF": st.none() | st.integers(-2, 2) | st.just(2**63 - 1),
    "GXRQ": st.none() | st.sampled_from([date(1, 1, 1), date(2020, 2, 29)]),
    "SFYX": st.none() | st.booleans(),
}
"""So few that many rows are equal."""
_ROWS = st.lists(
    st.fixed_dictionaries({"BSM": st.sampled_from([f"{number:02}" for number in range(12)]), **_VALUES}),
    max_size=9,
    unique_by=lambda row: row["BSM"],
)
"""Keys are unique within a dataset; two datasets may well have the same."""
_FIELDS = st.lists(st.sampled_from(["BSM", *_VALUES]), max_size=4, unique=True).map(tuple)
_SORTS = st.lists(
    st.builds(SortKey, st.sampled_from(["BSM", *_VALUES]), st.booleans()), max_size=3, unique_by=lambda key: key.field
).map(tuple)
_MESHES = st.fixed_dictionaries(dict.fromkeys(NODES, _ROWS))


def whole(rows: dict[str, list[Row]], question: Query) -> list[Row]:
    """Return all rows in the order that pages have."""
    by_owner = [{**row, "owner": owner} for owner in sorted(rows) for row in in_order(rows[owner], question.sort)]
    if question.sort:  # stable: equal rows stay by owner
        by_owner = in_order(by_owner, question.sort)
    names = question.fields or ("BSM", *_VALUES)
    return [{name: row[name] for name in names} for row in by_owner]


def shown(rows: list[Row], question: Query) -> list[Row]:
    names = question.fields or ("BSM", *_VALUES)
    return [{name: row[name] for name in names} for row in rows]


@PAGED
@given(_MESHES, _FIELDS, _SORTS, st.data())
def test_pages_are_the_whole(
    rows: dict[str, list[Row]], fields: tuple[str, ...], sort: tuple[SortKey, ...], data: st.DataObject
) -> None:
    question = Query("dltb", fields=fields, sort=sort)
    mesh = MeshOfRows(rows)

    async def turn() -> list[Row]:
        found: list[Row] = []
        token, cut = "", {f"{node}/dltb": 1 for node in NODES}
        for _ in range(200):
            page = Page(data.draw(st.integers(1, 9), label="size"), token)
            given_rows, trailer, header = await mesh.ask(replace(question, page=page))
            assert header.cut == cut
            assert len(given_rows) == trailer.rows <= page.size
            found += given_rows
            token = trailer.next_page
            if not token:
                return found
            changed = data.draw(st.sampled_from(NODES), label="changed")
            mesh.publish(changed, rows[data.draw(st.sampled_from(NODES), label="rows")])
            if data.draw(st.booleans(), label="restart"):
                mesh.restart()
        raise AssertionError("pages do not end")

    assert shown(asyncio.run(turn()), question) == whole(rows, question)


@PAGED
@given(_MESHES, _SORTS, st.integers(1, 5), st.sampled_from(["510000", "510104", "520000"]), st.data())
def test_a_member_that_is_lost_and_comes_back_costs_its_own_rows_alone(
    rows: dict[str, list[Row]], sort: tuple[SortKey, ...], size: int, lost: str, data: st.DataObject
) -> None:
    """No row comes twice, and none of the others is missing."""
    question = Query("dltb", sort=sort, options=Options(completeness=CompletenessMode.ALLOW_PARTIAL))
    mesh = MeshOfRows(rows)

    async def turn() -> tuple[list[str], bool]:
        found: list[str] = []
        token, marked = "", False
        while True:
            mesh.lost = data.draw(st.sampled_from([set(), {lost}]), label="lost")
            try:
                given_rows, trailer, _ = await mesh.ask(replace(question, fields=("BSM",), page=Page(size, token)))
            except NobodyAnswered:
                continue  # the same page can be asked for again
            found += [row["BSM"] for row in given_rows]
            marked = marked or not trailer.completeness.complete
            token = trailer.next_page
            if not token:
                return found, marked

    found, marked = asyncio.run(turn())
    everything = [row["BSM"] for part in rows.values() for row in part]
    away = {node for node in NODES if lost == "510000" and node.startswith("51")} | {lost}
    others = [row["BSM"] for node, part in rows.items() if node not in away for row in part]
    for key in set(everything):
        assert others.count(key) <= found.count(key) <= everything.count(key)
    if not marked:
        assert sorted(found) == sorted(everything)


@settings(PAGED, max_examples=12)
@given(_MESHES, _SORTS, st.integers(1, 5), st.data())
def test_replicas_turn_the_same_pages(
    rows: dict[str, list[Row]], sort: tuple[SortKey, ...], size: int, data: st.DataObject
) -> None:
    """Whoever answers for a dataset, owner or replica, at the head or behind it, continues where the other was."""
    question = Query("dltb", sort=sort)
    mesh = MeshOfRows(rows)
    mesh.hold("520000", "510000", "510100", "510104")
    mesh.hold("100000", "510000-ch")

    async def turn() -> list[Row]:
        found: list[Row] = []
        token = ""
        while token or not found:
            mesh.lost = data.draw(st.sampled_from([set(), {"510000"}, {"510100"}]), label="lost")
            page_rows, trailer, _ = await mesh.ask(replace(question, page=Page(size, token)))
            found += page_rows
            token = trailer.next_page
            mesh.publish("510100", rows["510104"])
            if not token:
                break
        return found

    assert shown(asyncio.run(turn()), question) == whole(rows, question)


def test_a_page_asks_only_those_who_have_rows_left() -> None:
    mesh = MeshOfRows({node: [{"BSM": f"{number:02}"} for number in range(3)] for node in NODES})

    async def turn() -> list[set[str]]:
        asked, token = [], ""
        while token or not asked:
            _, trailer, _ = await mesh.ask(Query("dltb", fields=("BSM",), page=Page(6, token)))
            asked.append(set(mesh.asked))
            reasons = {member.dataset: member.reason for member in trailer.completeness.members}
            token = trailer.next_page
        assert reasons["510104/dltb"] == reasons["100000/dltb"] == "BEFORE_PAGE"
        return asked

    first, *_, last = asyncio.run(turn())
    assert {"510000", "520000"} <= first
    assert last == {"520000"}


def test_one_node_and_one_dataset_are_turned_as_well() -> None:
    mesh = MeshOfRows({node: [{"BSM": f"{number:02}"} for number in range(5)] for node in NODES})

    async def turn(options: Options) -> list[str]:
        found, token = [], ""
        while token or not found:
            rows, trailer, _ = await mesh.ask(Query("dltb", fields=("BSM",), options=options, page=Page(2, token)))
            found += [row["BSM"] for row in rows]
            token = trailer.next_page
        return found

    expected = [f"{number:02}" for number in range(5)]
    assert asyncio.run(turn(Options(Scope.SELF))) == expected
    assert asyncio.run(turn(Options(dataset="510104/dltb"))) == expected
