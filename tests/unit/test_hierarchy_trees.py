"""A node in two departments' trees: reached from both, and counted once by whoever stands above both."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guotu.model.answer import Outcome
from guotu.model.question import Options, Scope
from guotu.model.records import NodeRecord
from tests.support.federation_parts import dataset, node
from tests.support.linked_mesh import LinkedMesh
from tests.support.scripted_mesh import ANY_QUESTION, PARTIAL, Heard, Make, expected_totals, rows_of, totals

pytestmark = pytest.mark.usefixtures("idle_time")

NATION, PROVINCE, CITY, COUNTY, OTHER_CITY = "100000", "510000", "510100", "510104", "510200"
SURVEY, CITY_SURVEY, NATION_SURVEY = "510000-ch", "510100-ch", "100000-ch"
TWO_TREES = (
    NATION,
    PROVINCE,
    node(CITY, also=(SURVEY,)),
    COUNTY,
    OTHER_CITY,
    node(SURVEY, also=(NATION_SURVEY,)),
    node(CITY_SURVEY, also=(SURVEY,)),
    NATION_SURVEY,
)
BY_SURVEY = {SURVEY, CITY, COUNTY, CITY_SURVEY}


def counted(mesh: LinkedMesh, make: Make, heard: Heard) -> set[str]:
    """Return whose rows are in the answer; each has all of its rows in it, once."""
    names = {member.node for member in heard.trailer.completeness.members if member.outcome is Outcome.ANSWERED}
    members = [item for name, item in mesh.members.items() if name in names]
    if make is totals:
        assert heard.rows == expected_totals(*members)
    else:
        expected = sorted(row["BSM"] for item in members for row in item.rows)
        assert sorted(str(row["BSM"]) for row in heard.rows) == expected
    return names


@ANY_QUESTION
@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (NATION, set(LinkedMesh(TWO_TREES).members)),
        (PROVINCE, {PROVINCE, SURVEY, CITY, COUNTY, CITY_SURVEY, OTHER_CITY}),
        (SURVEY, BY_SURVEY),
        (NATION_SURVEY, {NATION_SURVEY, *BY_SURVEY}),
        (CITY, {CITY, COUNTY, CITY_SURVEY}),
        (CITY_SURVEY, {CITY_SURVEY}),
    ],
)
async def test_each_tree_reaches_what_stands_in_it_and_counts_it_once(make: Make, asked: str, names: set[str]) -> None:
    mesh = LinkedMesh(TWO_TREES)
    heard = await mesh.ask(asked, make(Options()))
    assert heard.failure is None
    assert counted(mesh, make, heard) == names


async def test_of_two_ways_the_one_of_the_divisions_is_taken() -> None:
    mesh = LinkedMesh(TWO_TREES)
    await mesh.ask(NATION, totals(Options()))
    assert (PROVINCE, CITY) in mesh.dialed()
    assert {asker for asker, asked in mesh.dialed() if asked in (SURVEY, CITY, CITY_SURVEY, COUNTY)} == {PROVINCE, CITY}
    first = [(call.asker, call.asked) for call in mesh.calls]
    await mesh.ask(NATION, totals(Options()))
    assert sorted(first) == sorted((call.asker, call.asked) for call in mesh.calls)


async def test_a_city_that_is_down_is_missing_in_both_trees() -> None:
    """Its record went with its lease; its datasets still tell where it stands."""
    mesh = LinkedMesh(TWO_TREES)
    nodes = {name: record for name, record in mesh.view.nodes.items() if name != CITY}
    for name in mesh.directories:
        mesh.see(name, replace(mesh.view, nodes=nodes))
    for asked in (SURVEY, PROVINCE, NATION_SURVEY, NATION):
        heard = await mesh.ask(asked, totals(PARTIAL))
        told = heard.outcomes[CITY]
        assert (told.outcome, told.reason) == (Outcome.UNREACHABLE, "NOT_REGISTERED"), asked
        assert heard.outcomes[COUNTY].outcome is Outcome.ANSWERED, asked


@pytest.mark.parametrize("dead", [PROVINCE, SURVEY])
async def test_with_one_of_the_two_above_it_dead_it_is_still_counted_once(dead: str) -> None:
    mesh = LinkedMesh(TWO_TREES)
    mesh.dead.add(dead)
    heard = await mesh.ask(NATION, totals(PARTIAL))
    assert counted(mesh, totals, heard) == set(mesh.members) - {dead}


# --------------------------------------------------------------------------------------------- stale directories


def seen(mesh: LinkedMesh, *changed: NodeRecord, without: str = "") -> object:
    nodes = {**mesh.view.nodes, **{record.node: record for record in changed}}
    nodes.pop(without, None)
    return replace(mesh.view, nodes=nodes)


@ANY_QUESTION
async def test_a_member_that_knows_of_more_answers_for_what_it_is_asked_for(make: Make) -> None:
    """The nation has not yet seen a dataset that the province has, nor that the city left the other tree."""
    mesh = LinkedMesh(TWO_TREES)
    fewer = {name: record for name, record in mesh.view.datasets["dltb"].items() if name != f"{OTHER_CITY}/dltb"}
    mesh.see(NATION, replace(mesh.view, datasets={"dltb": fewer}))
    heard = await mesh.ask(NATION, make(Options()))
    assert counted(mesh, make, heard) == set(mesh.members) - {OTHER_CITY}
    assert heard.header.cut.keys() == {member.dataset for member in heard.trailer.completeness.members}


@ANY_QUESTION
@pytest.mark.parametrize("stale", [NATION, PROVINCE, SURVEY, CITY])
async def test_nodes_that_disagree_about_who_stands_where_count_once(make: Make, stale: str) -> None:
    """One node does not know of the second tree, another believes that the city stands in it alone."""
    mesh = LinkedMesh(TWO_TREES)
    mesh.see(stale, seen(mesh, node(CITY), node(CITY_SURVEY)))  # type: ignore[arg-type]
    other = PROVINCE if stale != PROVINCE else NATION
    mesh.see(other, seen(mesh, node(CITY, through=SURVEY)))  # type: ignore[arg-type]
    for asked in (NATION, PROVINCE, SURVEY):
        counted(mesh, make, await mesh.ask(asked, make(PARTIAL)))


async def test_a_member_that_has_not_seen_a_dataset_yet_asks_for_it_all_the_same() -> None:
    mesh = LinkedMesh(TWO_TREES)
    fewer = {name: record for name, record in mesh.view.datasets["dltb"].items() if name != f"{OTHER_CITY}/dltb"}
    mesh.see(PROVINCE, replace(mesh.view, datasets={"dltb": fewer}))
    heard = await mesh.ask(NATION, totals(Options()))
    assert counted(mesh, totals, heard) == set(mesh.members)


async def test_members_are_asked_closed_and_clients_ask_open() -> None:
    mesh = LinkedMesh(TWO_TREES)
    await mesh.ask(NATION, totals(Options()))
    assert all(call.question.options.closed and call.question.options.relayed for call in mesh.calls)
    newer = mesh.view.datasets["dltb"] | {"510300/dltb": dataset("510300")}  # type: ignore[operator]
    mesh.see(PROVINCE, replace(mesh.view, datasets={"dltb": newer}))
    cut = {f"{PROVINCE}/dltb": 1}
    heard = await mesh.ask(PROVINCE, totals(replace(PARTIAL, cut=cut)))
    assert heard.outcomes["510300"].reason == "NOT_REGISTERED"
    closed = await mesh.ask(PROVINCE, totals(Options(Scope.SUBTREE, cut=cut, closed=True)))
    assert set(closed.outcomes) == {PROVINCE}


async def test_rows_come_by_owner_where_a_child_stands_between_another_ones_nodes() -> None:
    """Pages of unsorted rows go by owner; so the office is asked for two parts, and each row comes once."""
    names = ("510000", "510000-ch", "510100", "510200", "510300")
    office = node("510000-ch")
    cities = [node(name, through="510000" if name == "510200" else "", also=("510000-ch",)) for name in names[2:]]
    mesh = LinkedMesh(("510000", office, *cities))
    heard = await mesh.ask("510000-ch", rows_of(Options()))
    assert heard.failure is None
    owners = [str(row["BSM"])[:6] for row in heard.rows]
    assert owners == sorted(owners)
    assert set(owners) == {"510000", "510100", "510200", "510300"}
    assert len(heard.rows) == sum(len(mesh.members[name].rows) for name in names[1:])


# ------------------------------------------------------------------------------------------------ merged on the way


@pytest.mark.parametrize("groups", [(), ("DLBM",)])
async def test_bytes_on_the_upper_hop_do_not_grow_with_the_counties(groups: tuple[str, ...]) -> None:
    """Partial groups of a province are as large with 80 counties as with 4; counted as Arrow messages on the hop."""
    sizes = {}
    for counties in (2, 40):
        cities = [CITY, OTHER_CITY]
        below = [f"{city[:4]}{number:02d}" for city in cities for number in range(1, counties + 1)]
        mesh = LinkedMesh((NATION, PROVINCE, *cities, *below), rows=3)
        heard = await mesh.ask(NATION, replace(totals(Options()), group_by=groups))
        assert heard.failure is None
        assert len(heard.outcomes) == len(mesh.members)
        (hop,) = [call for call in mesh.calls if call.asker == NATION]
        assert sum(int(str(row["n"])) for row in heard.rows) == 3 * len(mesh.members)
        lower = sum(call.rows_bytes for call in mesh.calls if call.asked in below)
        sizes[counties] = hop.rows_bytes, lower
    (few, few_below), (many, many_below) = sizes.values()
    assert many == few
    assert many_below > 10 * few_below
