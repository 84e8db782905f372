"""What large shapes take is not done where all questions of a node wait for it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely

from federation.execution import nearest, statistics
from federation.execution.groups import merge_groups
from guotu.model import surroundings, zones
from guotu.model.collection import Collection
from guotu.model.crs import transform_wkb
from guotu.model.errors import GuotuError
from guotu.model.plan import ExpectedDataset
from guotu.model.ports import FeatureStore, Scan
from guotu.model.question import LayerOverlay, Nearest, Overlay, Query, Question, Selection, Stats, ZoneSource
from guotu.model.schema import arrow_schema
from tests.support.federation_parts import PARCELS
from tests.support.scripted_mesh import TOTALS, Mesh, three
from tests.support.scripted_peers import Member

pytestmark = pytest.mark.usefixtures("idle_time")

PLACES = iter(range(100, 1000))


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Note in which threads shapes are drawn."""
    threads: list[threading.Thread] = []

    def noting(work: Any) -> Any:
        def noted(shapes: Any) -> Any:
            threads.append(threading.current_thread())
            return work(shapes)

        return noted

    monkeypatch.setattr(surroundings, "_strips", noting(surroundings._strips))
    monkeypatch.setattr(zones, "cut_up", noting(zones.cut_up))
    return threads


def near_text() -> str:
    """Return a filter by a place of its own, around which nothing was drawn so far."""
    return f"S_DWITHIN(geometry, POINT(104.{next(PLACES)} 30.5), 500)"


def near_json() -> str:
    place = f'{{"type":"Point","coordinates":[104.{next(PLACES)},30.5]}}'
    return f'{{"op":"s_dw\\u0069thin","args":[{{"property":"geometry"}},{place},500]}}'


def asked() -> list[Question]:
    """Return questions with something to draw."""
    wkb = bytes(shapely.to_wkb(shapely.Point(104, 30 + next(PLACES) / 1000)))
    square = zones.zones_of(["a"], np.array([shapely.box(104, 30, 105, 31)]))
    return [
        Query("dltb", Selection(near_text()), ("BSM",)),
        Query("dltb", Selection(near_json()), ("BSM",)),
        Query("dltb", fields=("BSM",), limit=3, nearest=Nearest(wkb, 500.0)),
        replace(TOTALS, selection=Selection(near_text())),
        Stats("dltb", (), selection=Selection(near_text()), estimate=True),
        Overlay("dltb", square),
        LayerOverlay("dltb", ZoneSource("dltb", ("DLBM",), near_text())),
    ]


@pytest.mark.parametrize("number", range(len(asked())))
async def test_it_is_done_in_a_thread(drawing: list[threading.Thread], number: int) -> None:
    question = asked()[number]
    drawing.clear()
    await Mesh(*three()).ask(question)
    assert drawing
    assert threading.main_thread() not in drawing


async def test_explanations_do_not_do_it_either(drawing: list[threading.Thread]) -> None:
    with suppress(GuotuError):
        await Mesh(*three(), gone=("510100", "510200")).federation.explain(asked()[0], 20.0)
    assert drawing
    assert threading.main_thread() not in drawing


async def test_what_is_wrong_is_told_as_before() -> None:
    for text in ("S_DWITHIN(geometry, POINT(104 30), -1)", "S_DWITHIN(geometry, POINT(104 89), 5000)", "dwithin("):
        heard = await Mesh(*three()).ask(Query("dltb", Selection(text), ("BSM",)))
        assert heard.failure is not None
        assert heard.failure.reason == "INVALID_FILTER"


async def test_many_groups_are_merged_in_a_thread_too(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def noted(*given: Any) -> Any:
        threads.append(threading.current_thread())
        return merge_groups(*given)

    monkeypatch.setattr(statistics, "merge_groups", noted)
    rows = [{"BSM": f"{number:06d}", "DLBM": f"{number:06d}", "TBMJ": 1.0} for number in range(9_000)]
    heard = await Mesh(Member("510000", rows), Member("510100", rows)).ask(TOTALS)
    assert len(heard.rows) == 9_000
    assert all(row["n"] == 2 for row in heard.rows)
    assert threading.main_thread() not in threads


class OneParcel:
    """The part of `guotu.model.ports.FeatureStore` that scans, with one row."""

    async def scan(
        self, dataset: str, version: int, collection: Collection, scan: Scan
    ) -> AsyncIterator[pa.RecordBatch]:
        rows = {"BSM": ["1"], "geometry": [shapely.to_wkb(shapely.box(104, 30, 104.1, 30.1))]}
        yield pa.record_batch(rows, arrow_schema(collection, ("BSM", "geometry")))


async def test_the_nearest_are_brought_into_a_crs_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def noted(*given: Any) -> Any:
        threads.append(threading.current_thread())
        return transform_wkb(*given)

    monkeypatch.setattr(nearest, "transform_wkb", noted)
    expected = ExpectedDataset("510000/dltb", 1, 1, 1e6, True, "MAY_MATCH")
    near, scan = Nearest(bytes(shapely.to_wkb(shapely.Point(104, 30)))), Scan(("BSM", "geometry"), crs="EPSG:4544")
    store: FeatureStore = OneParcel()  # type: ignore[assignment]
    rows = await nearest.nearest_rows(store, expected, PARCELS, near, 1, scan)
    assert rows["distance_m"].to_pylist() == [0.0]
    assert threads
    assert threading.main_thread() not in threads
