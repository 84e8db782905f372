"""Whose a feature is where datasets overlap: by the division field and the key, wherever it lies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.execution.owned import OWNER_NOT_ASKED
from guotu.model.answer import Outcome
from guotu.model.ownership import Ownership, left_to
from guotu.model.question import Options, Overlay, Scope
from guotu.model.zones import zones_of
from tests.support.federation_parts import FIGURES, PARCELS
from tests.support.overlaying import Oracle
from tests.support.scripted_mesh import LOST, PARTIAL, Mesh
from tests.support.scripted_peers import Member

WEST, EAST = shapely.box(104.0, 30.5, 104.1, 30.8), shapely.box(104.1, 30.5, 104.2, 30.8)
"""Two cities side by side."""
ZONES = zones_of(["west", "east"], np.array([WEST, EAST]))
QUESTION = Overlay("dltb", ZONES)


def plot(key: str, code: str | None, x: float) -> dict[str, Any]:
    """Return a parcel of a hundredth of a degree whose west border is at `x`."""
    return {"BSM": key, "ZLDWDM": code, "geometry": shapely.to_wkb(shapely.box(x, 30.6, x + 0.01, 30.61))}


def areas(*rows: dict[str, Any]) -> dict[str, tuple[int, object]]:
    oracle = Oracle(shapely.from_wkb([row["geometry"] for row in rows]), [()] * len(rows))
    return {str(key[0]): value for key, value in oracle.rows(ZONES.shapes, ["west", "east"]).items()}


def found(rows: list[dict[str, Any]]) -> dict[str, tuple[int, object]]:
    return {row["zone"]: (row["count"], row["area_m2"]) for row in rows if row["count"]}


def test_datasets_of_divisions_below_others_are_told() -> None:
    cut = {"510000/dltb": 1, "510100/dltb": 2, "510104/dltb": 3, "500000/dltb": 4, "510000-ch/dltb": 5}
    assert left_to(cut) == {"510100/dltb": 2, "510104/dltb": 3}
    assert left_to({"100000/dltb": 1, "510104-a/dltb": 2}) == {"510104-a/dltb": 2}
    assert left_to({"510100/dltb": 1, "510700/dltb": 2}) == {}


def test_only_what_a_dataset_may_share_is_read() -> None:
    below = {"510100/dltb", "500000/dltb", "510000-ch/dltb"}
    assert Ownership("510000/dltb", PARCELS, below).columns(("geometry",)) == ("geometry", "ZLDWDM", "BSM")
    assert Ownership("510100/dltb", PARCELS, below).columns(("geometry",)) == ("geometry",)
    assert Ownership("510000/rk", FIGURES, {"510100/rk"}).columns(("CZRK",)) == ("CZRK",)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["510104", "510124001", "5101", "51", "500101", None, ""]), st.integers(0, 5)))
)
def test_a_feature_counts_for_the_owner_of_its_division_if_that_has_its_key(rows: list[tuple[str | None, int]]) -> None:
    batch = pa.record_batch(
        [pa.array([code for code, _ in rows], pa.string()), pa.array([str(key) for _, key in rows], pa.string())],
        names=["ZLDWDM", "BSM"],
    )
    ownership = Ownership("510000/dltb", PARCELS, ["510100/dltb", "510104/dltb"])
    held = {"510100/dltb": pa.array(["1", "2"]), "510104/dltb": pa.array(["3"])}
    assert set(ownership.claimants(batch)) <= set(held)
    kept = [
        (code, key)
        for code, key in rows
        if not (code or "").startswith("5101")
        or (str(key) not in ("1", "2") and not (str(code).startswith("510104") and key == 3))
    ]
    own = ownership.own(batch, held)
    assert list(zip(own["ZLDWDM"].to_pylist(), map(int, own["BSM"].to_pylist()), strict=True)) == kept


ACROSS = plot("a1", "510104", 104.095)
"""Of the western city, half of it in the east."""
MINE, BOTH, STRAY = plot("b1", "510704", 104.15), plot("c1", "510104", 104.05), plot("c2", "510104", 104.07)
ELSEWHERE = plot("c1", "510104", 104.12)
"""The province's copy of one that the city holds, and holds somewhere else."""


@pytest.fixture
def mesh() -> Mesh:
    return Mesh(
        Member("510000", [ELSEWHERE, STRAY, plot("p1", "513401", 104.03)]),
        Member("510100", [ACROSS, BOTH]),
        Member("510700", [MINE]),
    )


async def test_what_lies_across_a_border_counts_for_its_owner_on_both_sides(mesh: Mesh) -> None:
    heard = await mesh.ask(replace(QUESTION, options=Options(dataset="510100/dltb")))
    assert found(heard.rows) == areas(ACROSS, BOTH)
    assert found(heard.rows)["east"][0] == 1


async def test_sums_over_members_are_those_of_the_whole_without_doubles(mesh: Mesh) -> None:
    heard = await mesh.ask(QUESTION)
    assert found(heard.rows) == areas(STRAY, plot("p1", "513401", 104.03), ACROSS, BOTH, MINE)
    assert not heard.notices


async def test_who_is_asked_alone_tells_all_that_it_holds(mesh: Mesh) -> None:
    for options in (Options(dataset="510000/dltb"), Options(scope=Scope.SELF)):
        heard = await mesh.ask(replace(QUESTION, options=options))
        assert found(heard.rows) == areas(*mesh.members["510000"].rows)
    told = replace(QUESTION, options=Options(dataset="510000/dltb"), left_to={"510100/dltb": 1})
    assert found((await mesh.ask(told)).rows) == areas(STRAY, plot("p1", "513401", 104.03))


async def test_features_of_an_owner_that_is_lost_count_where_they_are_held() -> None:
    mesh = Mesh(Member("510000", [ELSEWHERE, STRAY]), Member("510100", [BOTH], failure=LOST, fails_after=0))
    heard = await mesh.ask(replace(QUESTION, options=PARTIAL))
    assert found(heard.rows) == areas(ELSEWHERE, STRAY)
    assert heard.outcomes["510100"].outcome is Outcome.UNREACHABLE
    assert heard.notices == [OWNER_NOT_ASKED]
