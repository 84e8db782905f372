"""Layer overlays at one node: its features are joined with zones from whoever has them, some at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely

from guotu.model.answer import Outcome
from guotu.model.errors import IncompleteAnswer, InvalidQuestion, NobodyAnswered, UnknownDataset, UnknownField
from guotu.model.plan import Decision
from guotu.model.question import LayerOverlay, Options, Query, Scope, ZoneSource
from guotu.overlays import blocks, gathering
from tests.support.federation_parts import CHENGDU
from tests.support.overlaying import Oracle
from tests.support.scripted_mesh import LOST, PARTIAL, Mesh
from tests.support.scripted_peers import Member

pytestmark = pytest.mark.usefixtures("idle_time")

LUCK = np.random.default_rng(11)


def parcels(owner: str, count: int) -> list[dict[str, Any]]:
    corners = LUCK.random((count, 2)) * (0.19, 0.29) + (104, 30.5)
    return [
        {
            "BSM": f"{owner}{number:04d}",
            "DLBM": f"010{number % 3}",
            "ZLDWDM": f"{owner}",
            "SJNF": 2020 + number % 2,
            "geometry": shapely.to_wkb(shapely.box(*corner, *(corner + 0.012))) if number % 9 else None,
        }
        for number, corner in enumerate(corners)
    ]


MINE, NEAR, FAR = parcels("513401", 60), parcels("510104", 50), parcels("510703", 40)
QUESTION = LayerOverlay("dltb", ZoneSource("dltb", ("DLBM",)), ("SJNF",), options=Options(dataset="510000/dltb"))


def mesh(**near: Any) -> Mesh:
    members = Member("510000", MINE), Member("510100", NEAR, **near), Member("510700", FAR)
    return Mesh(*members)


def expected(zones: list[dict[str, Any]], by: str = "DLBM") -> dict[tuple[object, ...], tuple[int, object]]:
    sums: dict[tuple[object, ...], tuple[int, object]] = {}
    oracle = Oracle(shapely.from_wkb([row["geometry"] for row in MINE]), [(row["SJNF"],) for row in MINE])
    for zone in zones:
        if zone["geometry"] is not None:
            for (_, year), (count, area) in oracle.rows(shapely.from_wkb([zone["geometry"]]), ["-"]).items():
                before = sums.get((zone[by], year), (0, 0))
                sums[zone[by], year] = (before[0] + count, before[1] + area)  # type: ignore[operator]
    return sums


def found(rows: list[dict[str, Any]], by: str = "zone_DLBM") -> dict[tuple[object, ...], tuple[int, object]]:
    return {(row[by], row["SJNF"]): (row["count"], row["area_m2"]) for row in rows}


@pytest.mark.parametrize("zones_at_a_time", [7, 20_000])
async def test_zones_come_from_all_who_have_a_part(monkeypatch: pytest.MonkeyPatch, zones_at_a_time: int) -> None:
    monkeypatch.setattr("federation.execution.layers._MOST_ZONES", zones_at_a_time)
    heard = await mesh().ask(QUESTION)
    assert heard.failure is None
    assert found(heard.rows) == expected(MINE + NEAR + FAR)
    assert list(found(heard.rows)) == sorted(found(heard.rows))
    assert dict(heard.header.cut) == {"510000/dltb": 1, "510100/dltb": 1, "510700/dltb": 1}
    assert heard.trailer.completeness.complete


async def test_each_zone_alone_and_none_at_all() -> None:
    heard = await mesh().ask(replace(QUESTION, zones=ZoneSource("dltb", ("BSM",))))
    assert found(heard.rows, "zone_BSM") == expected(MINE + NEAR + FAR, "BSM")
    everything = await mesh().ask(replace(QUESTION, zones=ZoneSource("dltb"), group_by=()))
    (row,) = everything.rows
    assert row["count"] == sum(count for count, _ in expected(MINE + NEAR + FAR).values())


async def test_groups_that_do_not_fit_are_the_same_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the owner, and where the groups of members are merged."""
    question = replace(QUESTION, zones=ZoneSource("dltb", ("BSM",)), options=Options())
    whole = await mesh().ask(question)
    monkeypatch.setattr(gathering, "_MOST_ROWS", 20)
    monkeypatch.setattr(gathering, "_BLOCK_ROWS", 7)
    monkeypatch.setattr(blocks, "_MEMORY_BYTES", 1)
    heard = await mesh().ask(question)
    assert heard.failure is None
    assert found(heard.rows, "zone_BSM") == expected(MINE + NEAR + FAR, "BSM")
    assert heard.trailer.digest == whole.trailer.digest


async def test_a_full_disk_is_the_member_s_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_MOST_ROWS", 20)
    monkeypatch.setattr(blocks, "_MEMORY_BYTES", 1)
    monkeypatch.setattr(blocks, "_SPARE_BYTES", 1 << 62)
    heard = await mesh().ask(replace(QUESTION, zones=ZoneSource("dltb", ("BSM",))))
    assert isinstance(heard.failure, IncompleteAnswer)
    member = heard.outcomes["510000"]
    assert (member.outcome, member.reason) == (Outcome.FAILED, "DISK_FULL")
    assert "scratch/" in member.detail


async def test_zones_of_one_dataset_or_at_a_cut() -> None:
    one = await mesh().ask(replace(QUESTION, zones=ZoneSource("dltb", ("DLBM",), dataset="510100/dltb")))
    assert found(one.rows) == expected(NEAR)
    pinned = await mesh().ask(replace(QUESTION, zones=ZoneSource("dltb", ("DLBM",), cut={"510700/dltb": 1})))
    assert found(pinned.rows) == expected(FAR)
    alone = await mesh().ask(replace(QUESTION, options=Options(scope=Scope.SELF)))
    assert found(alone.rows) == expected(MINE)


async def test_zones_are_asked_for_where_the_features_lie() -> None:
    asked = mesh()
    await asked.ask(QUESTION)
    (question,) = asked.members["510700"].asked
    assert isinstance(question, Query)
    assert question.fields == ("DLBM", "geometry")
    box = question.selection.bbox
    assert box is not None
    assert (box.xmin, box.ymin, box.xmax, box.ymax) == CHENGDU
    older = mesh()
    await older.ask(replace(QUESTION, options=Options(dataset="510000/dltb", cut={"510000/dltb": 7})))
    (question,) = older.members["510700"].asked
    assert isinstance(question, Query)
    box = question.selection.bbox
    shapes = shapely.from_wkb([row["geometry"] for row in MINE])
    assert box is not None
    assert (box.xmin, box.ymin, box.xmax, box.ymax) == tuple(shapely.total_bounds(shapes))


async def test_twin_zones_count_once() -> None:
    """A province's copy of a city's zone is no zone of its own."""
    twins = Mesh(Member("510000", [*MINE, *NEAR[:5]]), Member("510100", NEAR))
    heard = await twins.ask(replace(QUESTION, left_to={"510100/dltb": 1}))
    assert found(heard.rows) == expected(MINE + NEAR)


async def test_a_replica_is_joined_where_it_is_held() -> None:
    members = Member("510000", FAR), Member("510100", MINE), Member("510700", NEAR)
    held = Mesh(*members, replicas=(Member("510100", MINE),))
    heard = await held.ask(replace(QUESTION, options=Options(dataset="510100/dltb")))
    assert found(heard.rows) == expected(MINE + NEAR + FAR)
    assert heard.outcomes["510100"].outcome is Outcome.REPLICA
    assert not any(isinstance(question, LayerOverlay) for question in held.members["510100"].asked)


@pytest.mark.parametrize("fails_after", [0, 1])
async def test_without_all_zones_there_is_no_answer(fails_after: int) -> None:
    lost = {"failure": LOST, "fails_after": fails_after, "batch_rows": 1}
    heard = await mesh(**lost).ask(QUESTION)
    assert isinstance(heard.failure, IncompleteAnswer)
    member = heard.outcomes["510000"]
    assert (member.outcome, member.reason) == (Outcome.FAILED, "INCOMPLETE_ANSWER")
    assert "510100/dltb" in member.detail
    partial = await mesh(**lost).ask(replace(QUESTION, options=replace(PARTIAL, dataset="510000/dltb")))
    assert isinstance(partial.failure, NobodyAnswered)


async def test_members_are_told_the_cut_of_the_zones() -> None:
    told = mesh()
    plan = told.federation.explain(replace(QUESTION, options=Options(dataset="510000/dltb")), 5)
    assert (await plan).pushed_down[:2] == ("overlay with dltb", "zones by DLBM")
    heard = await told.ask(replace(QUESTION, options=Options()))
    decisions = {step.node: step.decision for step in heard.header.plan.steps}
    assert decisions == {"510000": Decision.LOCAL, "510100": Decision.ASK, "510700": Decision.ASK}
    assert found(heard.rows) == expected(MINE + NEAR + FAR)
    (asked,) = (question for question in told.members["510700"].asked if isinstance(question, LayerOverlay))
    assert asked.zones.cut == {"510000/dltb": 1, "510100/dltb": 1, "510700/dltb": 1}
    assert asked.left_to == {"510100/dltb": 1, "510700/dltb": 1}


@pytest.mark.parametrize(
    ("zones", "kind"),
    [
        (ZoneSource("dltb", ("nothing",)), UnknownField),
        (ZoneSource("dltb", dataset="510900/dltb"), UnknownDataset),
        (ZoneSource("dltb", cut={"510900/rk": 1}), InvalidQuestion),
        (ZoneSource("dltb", cut={"510100/dltb": 0}), InvalidQuestion),
        (ZoneSource("dltb", ("DLBM",) * 8), InvalidQuestion),
        (ZoneSource("dltb", ("DLBM", "DLBM")), InvalidQuestion),
    ],
)
async def test_what_cannot_be_zones_is_refused(zones: ZoneSource, kind: type[Exception]) -> None:
    assert isinstance((await mesh().ask(replace(QUESTION, zones=zones))).failure, kind)
