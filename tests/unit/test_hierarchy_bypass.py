"""Four levels of real federations: what lies behind a province or a city that does not answer is asked without it."""

from __future__ import annotations

import pytest

from guotu.model import errors
from guotu.model.answer import Outcome
from guotu.model.plan import Decision
from guotu.model.question import Options, Query, SortKey
from tests.support.federation_parts import PARCELS
from tests.support.linked_mesh import LinkedMesh
from tests.support.scripted_mesh import (
    ANY_QUESTION,
    FIELDS,
    PARTIAL,
    Heard,
    Make,
    expected_totals,
    rows_of,
    sorted_rows,
    totals,
)

pytestmark = pytest.mark.usefixtures("idle_time")

NATION, PROVINCE, CITY, COUNTY, OTHER_CITY, OTHER_COUNTY = "100000", "510000", "510100", "510104", "510200", "510203"
NODES = (NATION, PROVINCE, CITY, COUNTY, OTHER_CITY, OTHER_COUNTY, "520000", "520100")
BEHIND = (CITY, COUNTY, OTHER_CITY, OTHER_COUNTY)


def top_three(options: Options) -> Query:
    return Query("dltb", fields=FIELDS, sort=(SortKey("TBMJ", descending=True),), limit=3, options=options)


def rows_expected(mesh: LinkedMesh, *without: str) -> list[str]:
    return sorted(row["BSM"] for name, item in mesh.members.items() if name not in without for row in item.rows)


def check_rows(mesh: LinkedMesh, make: Make, heard: Heard, *without: str) -> None:
    """Every row of every member but those is in the answer, each once."""
    if make is totals:
        assert heard.rows == expected_totals(*(item for name, item in mesh.members.items() if name not in without))
    else:
        assert sorted(str(row["BSM"]) for row in heard.rows) == rows_expected(mesh, *without)


@pytest.mark.parametrize(
    ("make", "way"), [(rows_of, "dead"), (sorted_rows, "dead"), (totals, "dead"), (totals, "silent")]
)
async def test_the_cities_of_a_province_that_does_not_answer_are_asked_in_its_place(make: Make, way: str) -> None:
    mesh = LinkedMesh(NODES)
    getattr(mesh, way).add(PROVINCE)
    heard = await mesh.ask(NATION, make(PARTIAL), timeout=20.0 if way == "dead" else 3.0)
    assert heard.failure is None
    check_rows(mesh, make, heard, PROVINCE)
    told = heard.outcomes
    assert not told[PROVINCE].outcome.whole
    assert told[PROVINCE].via == ""
    for name, via in ((CITY, NATION), (COUNTY, CITY), (OTHER_CITY, NATION), (OTHER_COUNTY, OTHER_CITY)):
        assert (told[name].outcome, told[name].reason, told[name].via) == (Outcome.ANSWERED, "BYPASSED", via)
        assert PROVINCE in told[name].detail
    assert {told[name].reason for name in (NATION, "520000", "520100")} == {""}
    assert (NATION, CITY) in mesh.dialed()
    assert (NATION, COUNTY) not in mesh.dialed()


@ANY_QUESTION
async def test_with_a_replica_of_its_own_dataset_the_answer_is_the_healthy_one(make: Make) -> None:
    healthy = await LinkedMesh(NODES).ask(NATION, make(Options()))
    mesh = with_replica(PROVINCE, "520000")
    mesh.dead.add(PROVINCE)
    heard = await mesh.ask(NATION, make(Options()))
    assert heard.failure is None
    assert (heard.rows, heard.trailer.digest) == (healthy.rows, healthy.trailer.digest)
    told = heard.outcomes
    assert (told[PROVINCE].outcome, told[PROVINCE].replica) == (Outcome.REPLICA, "520000")
    assert {told[name].outcome for name in BEHIND} == {Outcome.ANSWERED}


def with_replica(owner: str, holder: str) -> LinkedMesh:
    """Return a mesh in which a node holds a whole replica of another's dataset."""
    mesh = LinkedMesh(NODES)
    mesh.hold(holder, owner)
    return mesh


async def test_a_dead_city_behind_a_dead_province_is_bypassed_too() -> None:
    mesh = LinkedMesh(NODES)
    mesh.dead |= {PROVINCE, CITY}
    heard = await mesh.ask(NATION, totals(PARTIAL))
    check_rows(mesh, totals, heard, PROVINCE, CITY)
    assert heard.outcomes[CITY].outcome is Outcome.UNREACHABLE
    assert (heard.outcomes[COUNTY].reason, heard.outcomes[COUNTY].via) == ("BYPASSED", NATION)
    asked = [call.asked for call in mesh.calls if call.asked not in mesh.dead]
    assert len(asked) == len(set(asked)), "nobody who answers is asked twice"


async def test_a_dead_city_is_bypassed_by_its_province() -> None:
    mesh = LinkedMesh(NODES)
    mesh.dead.add(CITY)
    heard = await mesh.ask(NATION, totals(PARTIAL))
    check_rows(mesh, totals, heard, CITY)
    assert (heard.outcomes[COUNTY].reason, heard.outcomes[COUNTY].via) == ("BYPASSED", PROVINCE)


@pytest.mark.parametrize("make", [rows_of, totals])
async def test_without_bypass_all_that_lies_behind_is_missing(make: Make) -> None:
    mesh = LinkedMesh(NODES, bypass=False)
    mesh.dead.add(PROVINCE)
    heard = await mesh.ask(NATION, make(PARTIAL))
    check_rows(mesh, make, heard, PROVINCE, *BEHIND)
    for name in BEHIND:
        told = heard.outcomes[name]
        assert (told.outcome, told.reason, told.via) == (Outcome.UNREACHABLE, "NODE_UNAVAILABLE", PROVINCE)
    assert mesh.dialed() == {(NATION, PROVINCE), (NATION, "520000"), ("520000", "520100")}


async def test_all_required_and_the_province_itself_missing_is_an_error() -> None:
    mesh = LinkedMesh(NODES)
    mesh.dead.add(PROVINCE)
    heard = await mesh.ask(NATION, totals(Options()))
    assert isinstance(heard.failure, errors.IncompleteAnswer)


@pytest.mark.parametrize("make", [rows_of, totals])
async def test_a_province_that_comes_back_late_is_not_counted_beside_its_cities(make: Make) -> None:
    """It answers after its cities were asked: one of the two is used."""
    mesh = LinkedMesh(NODES)
    mesh.late[PROVINCE] = 1.6
    heard = await mesh.ask(NATION, make(PARTIAL), timeout=3.0)
    check_rows(mesh, make, heard, PROVINCE)
    assert heard.outcomes[CITY].reason == "BYPASSED"


@ANY_QUESTION
async def test_a_province_that_is_only_slow_answers_itself(make: Make) -> None:
    mesh = LinkedMesh(NODES)
    mesh.late[PROVINCE] = 0.4
    heard = await mesh.ask(NATION, make(Options()))
    check_rows(mesh, make, heard)
    assert (NATION, CITY) not in mesh.dialed()
    assert heard.outcomes[CITY].via == PROVINCE


async def test_a_province_in_doubt_is_asked_beside_its_cities_and_counted_once() -> None:
    """A moment after it failed, the cities are asked at once where they and replicas cover all of its part."""
    mesh = with_replica(PROVINCE, "520000")
    mesh.silent.add(PROVINCE)
    await mesh.ask(NATION, totals(Options()), timeout=2.0)
    heard = await mesh.ask(NATION, totals(Options()), timeout=20.0)
    check_rows(mesh, totals, heard)
    assert heard.failure is None
    assert (NATION, PROVINCE) in mesh.dialed()
    mesh.silent.clear()
    again = await mesh.ask(NATION, totals(Options()))
    check_rows(mesh, totals, again)


async def test_the_limit_holds_on_a_detour() -> None:
    mesh = LinkedMesh(NODES)
    mesh.dead.add(PROVINCE)
    heard = await mesh.ask(NATION, top_three(PARTIAL))
    areas = sorted((row["TBMJ"] for name, item in mesh.members.items() if name != PROVINCE for row in item.rows))
    assert [float(str(row["TBMJ"])) for row in heard.rows] == areas[:-4:-1]


async def test_an_explanation_names_the_detour() -> None:
    mesh = LinkedMesh(NODES)
    plan = await mesh.federations[NATION].explain(totals(Options()), 10.0)
    detours = {step.node: step.detour for step in plan.steps}
    assert detours == {NATION: (), PROVINCE: (CITY, OTHER_CITY), "520000": ("520100",)}
    off = LinkedMesh(NODES, bypass=False)
    assert not any(step.detour for step in (await off.federations[NATION].explain(totals(Options()), 10.0)).steps)


async def test_only_members_that_others_lie_behind_are_bypassed() -> None:
    mesh = LinkedMesh(NODES)
    plan, _ = mesh.federations[CITY]._planner.plan(totals(Options()), PARCELS)
    assert [(step.node, step.decision, step.bypass) for step in plan.steps] == [
        (CITY, Decision.LOCAL, False),
        (COUNTY, Decision.ASK, False),
    ]
