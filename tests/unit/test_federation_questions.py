"""Bad questions are refused before anybody is asked; explain and analyze."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
import shapely

from guotu.model import errors
from guotu.model.plan import Decision, Plan
from guotu.model.question import (
    Aggregate,
    AggregateFunction,
    Options,
    Overlay,
    Query,
    Question,
    Scope,
    Selection,
    SortKey,
    Stats,
)
from guotu.model.zones import zones_of
from tests.support.scripted_mesh import (
    COUNT,
    LOST,
    SUM,
    Mesh,
    rows_of,
    three,
    totals,
)
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")

ZONES = zones_of(["a"], np.array([shapely.box(104, 30, 105, 31)]))


@pytest.mark.parametrize(
    "question",
    [
        Query("dltb", fields=("BSM", "DLBN", "QSXY"), sort=(SortKey("TBMJJ"),)),
        Stats("dltb", (Aggregate(COUNT, "", "n"), Aggregate(SUM, "TBMJJ", "s")), ("prefecture", "DLBN", "QSXY")),
    ],
)
async def test_all_fields_that_there_are_not_are_named_at_once(question: Question) -> None:
    failure = (await Mesh(*three()).ask(question)).failure
    assert isinstance(failure, errors.UnknownField)
    assert failure.facts["field"] == "DLBN, QSXY, TBMJJ"


@pytest.mark.parametrize(
    ("question", "failure"),
    [
        (Query("xzq"), errors.UnknownCollection),
        (Query("dltb", fields=("DLBN",)), errors.UnknownField),
        (Query("dltb", fields=("BSM", "BSM")), errors.InvalidQuestion),
        (Query("dltb", sort=(SortKey("nothing"),)), errors.UnknownField),
        (Query("dltb", sort=(SortKey("geometry"),)), errors.InvalidQuestion),
        (Query("dltb", limit=-1), errors.InvalidQuestion),
        (Query("dltb", crs="EPSG:999999"), errors.InvalidCrs),
        (Query("dltb", Selection("DLBM =")), errors.InvalidFilter),
        (Query("dltb", options=Options(cut={"dltb": 1})), errors.InvalidQuestion),
        (Query("dltb", options=Options(cut={"510100/dltb": 0})), errors.InvalidQuestion),
        (Stats("dltb", ()), errors.InvalidQuestion),
        (Stats("dltb", (Aggregate(SUM, "", "s"),)), errors.InvalidQuestion),
        (Stats("dltb", (Aggregate(SUM, "DLBM", "s"),)), errors.InvalidQuestion),
        (Stats("dltb", (Aggregate(SUM, "nothing", "s"),)), errors.UnknownField),
        (Stats("dltb", (Aggregate(COUNT, "", "DLBM"),), ("DLBM",)), errors.InvalidQuestion),
        (Stats("dltb", (Aggregate(COUNT, "", "1; DROP"),)), errors.InvalidQuestion),
        (Stats("dltb", (Aggregate(COUNT, "", "n"),), ("geometry",)), errors.UnknownField),
        (Overlay("xzq", ZONES), errors.UnknownCollection),
        (Overlay("dltb", ZONES, ("nothing",)), errors.UnknownField),
        (Overlay("dltb", ZONES, ("DLBM", "DLBM")), errors.InvalidQuestion),
        (Overlay("dltb", ZONES, ("BSM",) * 9), errors.InvalidQuestion),
        (Overlay("dltb", ZONES, selection=Selection("DLBM =")), errors.InvalidFilter),
        (Overlay("dltb", ZONES, options=Options(cut={"dltb": 1})), errors.InvalidQuestion),
    ],
)
async def test_a_bad_question_is_refused_before_anybody_is_asked(
    question: Question, failure: type[errors.GuotuError]
) -> None:
    mesh = Mesh(*three())
    heard = await mesh.ask(question)
    assert type(heard.failure) is failure
    assert heard.frames == []
    assert all(member.opened == 0 for member in mesh.members.values())
    with pytest.raises(failure):
        await mesh.federation.explain(question, 5)
    with pytest.raises(failure):
        await mesh.federation.analyze(question, 5)


def averages(count: int, name: str = "mean_{}") -> tuple[Aggregate, ...]:
    return tuple(Aggregate(AggregateFunction.AVG, "TBMJ", name.format(number)) for number in range(count))


@pytest.mark.parametrize(
    "aggregates",
    [
        averages(17),
        averages(1, "m" * 60 + "{}"),
        (*averages(1), Aggregate(SUM, "TBMJ", "mean_0__sum")),
        (*averages(1), Aggregate(COUNT, "", "mean_0__count")),
    ],
)
async def test_averages_that_members_could_not_be_asked_for_are_refused_here(aggregates: tuple[Aggregate, ...]) -> None:
    """An average becomes a sum and a count for the members, which have the same bounds."""
    heard = await Mesh(*three()).ask(Stats("dltb", aggregates))
    assert isinstance(heard.failure, errors.InvalidQuestion)


async def test_the_most_averages_are_asked_for_as_the_members_take_them() -> None:
    mesh = Mesh(*three())
    heard = await mesh.ask(Stats("dltb", averages(16)))
    assert heard.failure is None
    (asked,) = mesh.members["510100"].asked
    assert (await Mesh(*three()).ask(replace(asked, options=Options()))).failure is None


async def test_explain_asks_for_the_plans_below_side_by_side() -> None:
    members = [Member(f"51{number:02d}00", parcels("x", 5)) for number in range(1, 21)]
    mesh = Mesh(*members)
    for member in members:
        mesh.peers.plans[f"{member.node}:1"] = Plan(member.node, "dltb", Scope.SELF, ())
    mesh.peers.plans["510300:1"] = errors.NodeUnavailable(address="510300:1", detail="refused")
    everybody, explain = asyncio.Barrier(len(members)), mesh.peers.explain

    async def explain_together(address: str, question: Question, timeout: float | None) -> Plan:
        await everybody.wait()
        return await explain(address, question, timeout)

    mesh.peers.explain = explain_together  # type: ignore[method-assign]
    plan = await mesh.federation.explain(rows_of(Options()), 20)
    below = {step.node: step for step in plan.steps}
    assert below["510100"].plan == Plan("510100", "dltb", Scope.SELF, ())
    assert below["510300"].plan is None
    assert "refused" in below["510300"].detail
    assert all(step.decision is Decision.ASK for step in plan.steps)


async def test_analyze_tells_what_happened_and_reports_a_partial_answer() -> None:
    _, trailer = await Mesh(*three()).federation.analyze(rows_of(Options()), 5)
    assert (trailer.rows, trailer.completeness.complete) == (105, True)
    _, trailer = await Mesh(*three(failure=LOST)).federation.analyze(totals(Options()), 5)
    assert not trailer.completeness.complete
