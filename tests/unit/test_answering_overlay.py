"""Overlays over scripted members: who holds which feature does not matter; who is lost is told and left out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import shapely

from federation.planning.zoning import with_zones
from federation.validate import check_overlay
from guotu.model.answer import Outcome
from guotu.model.area import ellipsoidal_area_m2
from guotu.model.collection import GeometryType
from guotu.model.errors import InvalidQuestion, TooLarge
from guotu.model.plan import Decision, ExpectedDataset, PlanStep
from guotu.model.question import CompletenessMode, Options, Overlay
from guotu.model.zones import zones_of
from tests.support.federation_parts import PARCELS, dataset
from tests.support.overlaying import Oracle
from tests.support.scripted_mesh import LOST, Mesh
from tests.support.scripted_peers import Member

pytestmark = pytest.mark.usefixtures("idle_time")

LUCK = np.random.default_rng(8)
CORNERS = LUCK.random((90, 2)) * (0.2, 0.3) + (104, 30.5)
SHAPES = shapely.box(*CORNERS.T, *(CORNERS + 0.01).T)
ROWS = [
    {"BSM": f"{number:06d}", "DLBM": f"010{number % 3}", "ZLDWDM": "510104", "geometry": shapely.to_wkb(shape)}
    for number, shape in enumerate(SHAPES)
]
AREAS = np.array(
    [shapely.box(104.05, 30.55, 104.15, 30.75), shapely.Point(104.1, 30.6).buffer(0.05), shapely.box(0, 0, 1, 1)]
)
NAMES = ["z", "b", "nothing"]
ZONES = zones_of(NAMES, AREAS)
QUESTION = Overlay("dltb", ZONES, ("DLBM",))
PARTIAL = Options(completeness=CompletenessMode.ALLOW_PARTIAL)


def split(*sizes: int, **second: object) -> Mesh:
    """Return a mesh whose members hold so many of the rows each; the second has what is said of it."""
    names, members, start = ("510000", "510100", "510700", "511900"), [], 0
    for place, size in enumerate(sizes):
        more: dict[str, Any] = dict(second) if place == 1 else {}
        members.append(Member(names[place], ROWS[start : start + size], **more))
        start += size
    return Mesh(*members)


def expected(rows: slice = slice(None)) -> dict[tuple[object, ...], tuple[int, Decimal]]:
    return Oracle(SHAPES[rows], [(row["DLBM"],) for row in ROWS[rows]]).rows(AREAS, NAMES)


def found(rows: list[dict[str, Any]]) -> dict[tuple[object, ...], tuple[int, Decimal]]:
    return {(row["zone"], row["DLBM"]): (row["count"], row["area_m2"]) for row in rows}


async def test_zones_are_laid_over_what_lies_behind_a_lost_province() -> None:
    lost, one, other = Member("510000", failure=LOST), Member("510100", ROWS[:40]), Member("510200", ROWS[40:])
    heard = await Mesh(lost, one, other, node="100000").ask(replace(QUESTION, options=PARTIAL))
    assert found(heard.rows) == expected()
    assert {heard.outcomes[name].reason for name in ("510100", "510200")} == {"BYPASSED"}


@pytest.mark.parametrize("sizes", [(90,), (30, 60), (1, 44, 45), (0, 0, 89, 1)])
async def test_who_holds_which_feature_does_not_matter(sizes: tuple[int, ...]) -> None:
    heard = await split(*sizes).ask(QUESTION)
    assert heard.failure is None
    assert found(heard.rows) == expected()
    assert [(row["zone"], row["DLBM"]) for row in heard.rows] == sorted(
        expected(), key=lambda key: (key[0] != "z", key)
    )
    whole = await split(90).ask(QUESTION)
    assert heard.trailer.digest == whole.trailer.digest


async def test_shares_are_of_the_zones_own_area() -> None:
    heard = await split(30, 60).ask(replace(QUESTION, group_by=()))
    own = ellipsoidal_area_m2(AREAS)
    assert [row["zone"] for row in heard.rows] == NAMES
    assert [row["share"] for row in heard.rows] == pytest.approx(
        [float(row["area_m2"]) / area for row, area in zip(heard.rows, own, strict=True)], rel=1e-12
    )
    assert heard.rows[2]["count"] == 0


async def test_members_are_asked_for_partial_groups() -> None:
    mesh = split(30, 60)
    await mesh.ask(QUESTION)
    (asked,) = (question for question in mesh.members["510100"].asked if isinstance(question, Overlay))
    assert asked.shares is False
    assert asked.options.completeness is CompletenessMode.ALLOW_PARTIAL
    assert asked.zones == ZONES.take([0, 1])


@pytest.mark.parametrize("fails_after", [0, 1])
async def test_a_lost_member_is_left_out(fails_after: int) -> None:
    heard = await split(30, 60, failure=LOST, fails_after=fails_after, batch_rows=1).ask(
        replace(QUESTION, options=PARTIAL)
    )
    assert found(heard.rows) == expected(slice(30))
    assert heard.outcomes["510100"].outcome is Outcome.UNREACHABLE
    assert not heard.trailer.completeness.complete


async def test_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("federation.execution.groups.MAX_GROUPS", 5)
    heard = await split(30, 60).ask(QUESTION)
    assert isinstance(heard.failure, TooLarge)


@pytest.mark.parametrize("kind", [GeometryType.POINT, GeometryType.LINE, GeometryType.NONE])
def test_features_without_areas_are_refused(kind: GeometryType) -> None:
    with pytest.raises(InvalidQuestion, match="stats --within"):
        check_overlay(QUESTION, replace(PARCELS, geometry=kind))


@pytest.mark.parametrize(
    ("record", "version", "zones"),
    [
        (dataset("510100"), 1, (0, 1)),
        (dataset("510100"), 2, None),
        (dataset("510100", box=None), 1, None),
        (dataset("510100", box=(-1, -1, 179, 80)), 1, None),
        (replace(dataset("510100"), coverage_wkb=b""), 1, (0, 1)),
    ],
)
def test_a_member_is_sent_the_zones_that_meet_what_it_advertises(
    record: object, version: int, zones: tuple[int, ...] | None
) -> None:
    expecting = ExpectedDataset("510100/dltb", version, 10, 1.0, True, "MAY_MATCH")
    steps = [
        PlanStep("510100", decision, "MAY_MATCH", expected=(expecting,)) for decision in (Decision.ASK, Decision.LOCAL)
    ]
    asked, local = with_zones(steps, ZONES, shapely.STRtree(AREAS), {"510100/dltb": record})  # type: ignore[dict-item]
    assert asked.zones == zones
    assert ("2 of 3 zones" in asked.detail) == (zones is not None)
    assert local == steps[1]
