"""Nodes that are reached only through the one above: nobody else ever dials them, and all questions find them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guotu.model import errors
from guotu.model.answer import Outcome
from guotu.model.division import stands_above
from guotu.model.gateway import gateway
from guotu.model.question import Options
from guotu.model.records import NodeRecord
from tests.support.federation_parts import node
from tests.support.linked_mesh import LinkedMesh
from tests.support.scripted_mesh import ANY_QUESTION, PARTIAL, Make, expected_totals, rows_of, totals

pytestmark = pytest.mark.usefixtures("idle_time")

NATION, PROVINCE, CITY, COUNTY, OTHER_CITY, OFFICE = "100000", "510000", "510100", "510104", "510200", "510000-ch"
PRIVATE = (
    NATION,
    PROVINCE,
    node(CITY, through=PROVINCE),
    node(COUNTY, through=CITY),
    OTHER_CITY,
    node(OFFICE, through=PROVINCE),
    "520000",
)
ALONE = {CITY: PROVINCE, COUNTY: CITY, OFFICE: PROVINCE}


def check_dialed(mesh: LinkedMesh) -> None:
    assert all(asker == ALONE[asked] for asker, asked in mesh.dialed() if asked in ALONE), mesh.dialed()


@ANY_QUESTION
async def test_a_relay_is_asked_for_those_that_only_it_reaches(make: Make) -> None:
    mesh = LinkedMesh(PRIVATE)
    heard = await mesh.ask(NATION, make(Options()))
    assert heard.failure is None
    assert len(heard.trailer.completeness.members) == len(PRIVATE)
    assert heard.outcomes[COUNTY].via == CITY
    check_dialed(mesh)


@pytest.mark.parametrize("asked", [NATION, "520000", OTHER_CITY, PROVINCE, CITY])
@pytest.mark.parametrize("owner", [CITY, COUNTY, OFFICE])
async def test_a_dataset_alone_is_asked_for_through_all_that_it_lies_behind(asked: str, owner: str) -> None:
    mesh = LinkedMesh(PRIVATE)
    heard = await mesh.ask(asked, rows_of(Options(dataset=f"{owner}/dltb")))
    assert heard.failure is None
    assert sorted(str(row["BSM"]) for row in heard.rows) == [row["BSM"] for row in mesh.members[owner].rows]
    assert heard.outcomes[owner].outcome is Outcome.ANSWERED
    check_dialed(mesh)


@ANY_QUESTION
@pytest.mark.parametrize("registered", [True, False])
async def test_behind_a_dead_parent_they_are_unreachable_and_that_is_said(make: Make, registered: bool) -> None:
    mesh = LinkedMesh(PRIVATE)
    mesh.dead.add(PROVINCE)
    if not registered:
        nodes = {name: record for name, record in mesh.view.nodes.items() if name != PROVINCE}
        mesh.see(NATION, replace(mesh.view, nodes=nodes))
    heard = await mesh.ask(NATION, make(PARTIAL))
    for name, reason in ((CITY, "REACHED_THROUGH"), (OFFICE, "REACHED_THROUGH")):
        told = heard.outcomes[name]
        assert (told.outcome, told.reason) == (Outcome.UNREACHABLE, reason)
        assert PROVINCE in told.detail
    assert not heard.outcomes[COUNTY].outcome.whole
    assert heard.outcomes[OTHER_CITY].outcome is Outcome.ANSWERED
    check_dialed(mesh)


async def test_a_dataset_alone_behind_a_dead_parent_is_an_error_that_says_so() -> None:
    mesh = LinkedMesh(PRIVATE)
    mesh.dead.add(PROVINCE)
    heard = await mesh.ask("520000", totals(Options(dataset=f"{CITY}/dltb")))
    assert isinstance(heard.failure, errors.IncompleteAnswer)
    assert heard.outcomes[CITY].reason == "REACHED_THROUGH"
    check_dialed(mesh)


async def test_a_replica_that_lies_behind_another_node_is_no_standby() -> None:
    mesh = LinkedMesh(PRIVATE)
    mesh.hold(CITY, "520000")
    mesh.dead.add("520000")
    heard = await mesh.ask(NATION, totals(PARTIAL))
    assert heard.outcomes["520000"].outcome is Outcome.UNREACHABLE
    check_dialed(mesh)
    near = await mesh.ask(PROVINCE, totals(Options(dataset="520000/dltb")))
    assert (near.outcomes["520000"].outcome, near.outcomes["520000"].replica) == (Outcome.REPLICA, CITY)


async def test_a_replica_answers_for_one_whose_parent_is_dead() -> None:
    mesh = LinkedMesh(PRIVATE)
    mesh.hold("520000", CITY)
    mesh.dead.add(PROVINCE)
    heard = await mesh.ask(NATION, totals(PARTIAL))
    assert (heard.outcomes[CITY].outcome, heard.outcomes[CITY].replica) == (Outcome.REPLICA, "520000")
    whole = [item for name, item in mesh.members.items() if name not in (PROVINCE, COUNTY, OFFICE)]
    assert heard.rows == expected_totals(*whole)
    check_dialed(mesh)


async def test_who_stands_below_another_office_is_asked_through_its_parent() -> None:
    """The office asks the province for a city that stands under it too, for the city's network lets nobody else in."""
    city = node(CITY, through=PROVINCE, also=(OFFICE,))
    mesh = LinkedMesh((NATION, PROVINCE, OFFICE, city, node(COUNTY, through=CITY)))
    heard = await mesh.ask(OFFICE, totals(Options()))
    assert heard.failure is None
    assert heard.rows == expected_totals(mesh.members[OFFICE], mesh.members[CITY], mesh.members[COUNTY])
    assert mesh.dialed() == {(OFFICE, PROVINCE), (PROVINCE, CITY), (CITY, COUNTY)}


async def test_directories_that_send_a_question_back_and_forth_end_it() -> None:
    """Each of the two believes that the city lies behind the other."""
    city = node(CITY, through=PROVINCE, also=(OFFICE,))
    mesh = LinkedMesh((PROVINCE, OFFICE, city))
    turned = {**mesh.view.nodes, CITY: node(CITY, through=OFFICE)}
    mesh.see(PROVINCE, replace(mesh.view, nodes=turned))
    for asked, other in ((OFFICE, PROVINCE), (PROVINCE, OFFICE)):
        heard = await mesh.ask(asked, totals(PARTIAL))
        assert (heard.outcomes[CITY].outcome, heard.outcomes[CITY].reason) == (Outcome.UNREACHABLE, "NOT_BELOW")
        assert [(call.asker, call.asked) for call in mesh.calls][:1] == [(asked, other)]
        assert len(mesh.calls) <= 2


# -------------------------------------------------------------------------------------------------- who is dialed


def nodes_of(*records: NodeRecord) -> dict[str, NodeRecord]:
    return {record.node: record for record in records}


@pytest.mark.parametrize(
    ("asker", "wanted", "door"),
    [
        (NATION, COUNTY, PROVINCE),
        (PROVINCE, COUNTY, CITY),
        (CITY, COUNTY, COUNTY),
        (NATION, CITY, PROVINCE),
        (PROVINCE, CITY, CITY),
        (NATION, PROVINCE, PROVINCE),
    ],
)
def test_the_outermost_door_is_dialed(asker: str, wanted: str, door: str) -> None:
    nodes = nodes_of(node(PROVINCE), node(CITY, through=PROVINCE), node(COUNTY, through=CITY))
    assert gateway(wanted, asker, nodes) == (door, nodes[door])


def test_behind_a_door_that_is_not_there_nobody_is_dialed() -> None:
    assert gateway(CITY, NATION, nodes_of(node(CITY, through=PROVINCE))) == (PROVINCE, None)
    circle = nodes_of(node(CITY, through=COUNTY), node(COUNTY, through=CITY))
    assert gateway(CITY, NATION, circle) == (CITY, None)


@pytest.mark.parametrize(
    ("above", "below", "stands"),
    [
        (PROVINCE, CITY, True),
        (NATION, COUNTY, True),
        (OFFICE, CITY, True),
        (OFFICE, "510100-ch", True),
        (PROVINCE, OFFICE, True),
        (OFFICE, PROVINCE, False),
        (OFFICE, "510000-ly", False),
        (PROVINCE, PROVINCE, False),
        (CITY, PROVINCE, False),
        ("520000", CITY, False),
        ("", CITY, False),
        ("51", CITY, False),
    ],
)
def test_who_may_stand_above_whom(above: str, below: str, stands: bool) -> None:
    assert stands_above(above, below) is stands
