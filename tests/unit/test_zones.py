"""Zones: checked as a whole, bounded, the same after they have travelled."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas
import numpy as np
import pyarrow as pa
import pytest
import shapely

from guotu.client import Client
from guotu.model import zones as module
from guotu.model.answer import Frame
from guotu.model.errors import InvalidQuestion, TooLarge
from guotu.model.question import Overlay
from guotu.model.zones import decoded, zones_of
from tests.support.canned_node import answer_frames

SQUARE = shapely.box(104, 30, 105, 31)
BOW = shapely.Polygon([(104, 30), (105, 31), (105, 30), (104, 31)])


def test_they_travel_unchanged() -> None:
    solid = shapely.force_3d(SQUARE, 7.0)
    made = zones_of(["甲", "b"], np.array([solid, shapely.MultiPolygon([SQUARE])]))
    again = decoded(made.encoded())
    assert again == made
    assert again.names.to_pylist() == ["甲", "b"]
    assert shapely.has_z(again.shapes).tolist() == [False, False]
    assert again.boxes.tolist() == [[104, 30, 105, 31]] * 2
    assert again.take([1]).names.to_pylist() == ["b"]
    assert again != again.take([1])
    assert hash(again) == hash(made)


def test_all_faults_are_told_at_once() -> None:
    shapes = [SQUARE, BOW, None, shapely.Point(1, 1), shapely.Polygon(), shapely.box(104, 30, 1040, 31), SQUARE, SQUARE]
    names = ["a", "b", "c", "d", "e", "f", "a", " "]
    with pytest.raises(InvalidQuestion) as refusal:
        zones_of(names, np.array(shapes))
    detail = str(refusal.value.facts["detail"])
    parts = detail.split("; ")
    assert len(parts) == 7
    for number, told in (
        (2, "Self-intersection"), (3, "no shape"), (4, "polygon is needed"), (5, "no shape"), (6, "degrees"),
        (7, "named as no. 1"), (8, "characters"),
    ):  # fmt: skip
        assert any(f"no. {number}" in part and told in part for part in parts), (number, told)


def test_of_many_faults_the_first_are_told() -> None:
    with pytest.raises(InvalidQuestion) as refusal:
        zones_of([str(number) for number in range(1000)], np.array([BOW] * 1000))
    assert str(refusal.value.facts["detail"]).endswith("… +980")


class Heard:
    """Stands for the calls of a client: keeps what is asked."""

    def ask(self, question: Overlay, timeout: float | None) -> Iterator[Frame]:
        self.question = question
        return answer_frames([], pa.schema([]))


def test_a_client_takes_any_array_of_shapes() -> None:
    calls = Heard()
    mesh = Client(calls)  # type: ignore[arg-type]
    for given in (SQUARE, [SQUARE], np.array([SQUARE]), geopandas.GeoSeries([SQUARE])):
        mesh.overlay("dltb", given, group_by=["DLBM"])
        assert calls.question.zones == zones_of(["1"], np.array([SQUARE]))
        assert calls.question.group_by == ("DLBM",)
    mesh.overlay("dltb", [SQUARE, SQUARE], names=[7, "b"])
    assert calls.question.zones.names.to_pylist() == ["7", "b"]
    with pytest.raises(InvalidQuestion, match="names"):
        mesh.overlay("dltb", [SQUARE], names=["a", "b"])
    with pytest.raises(InvalidQuestion, match="zones"):
        mesh.overlay("dltb", [BOW])


def test_no_zones_are_a_fault() -> None:
    with pytest.raises(InvalidQuestion, match="no zone"):
        zones_of([], np.array([], dtype=object))


@pytest.mark.parametrize("data", [b"", b"not arrow", pa.schema([("a", pa.int64())]).serialize().to_pybytes()])
def test_what_is_no_stream_of_zones_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidQuestion, match="zones"):
        decoded(data)


def test_a_stream_with_nulls_or_other_columns_is_refused() -> None:
    for table in (pa.table({"zone": ["a"]}), pa.table({"zone": pa.nulls(1, pa.string()), "geometry": [b"x"]})):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        with pytest.raises(InvalidQuestion):
            decoded(sink.getvalue().to_pybytes())


def test_the_largest_shape_has_room_for_the_longest_name() -> None:
    name = "国" * 256
    rest = len(zones_of([name], np.array([SQUARE])).encoded()) - len(shapely.to_wkb(SQUARE))
    assert rest + module.MAX_BYTES_OF_A_SHAPE <= module.MAX_ZONE_BYTES


def test_they_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    made = zones_of(["a", "b"], np.array([SQUARE, SQUARE]))
    data = made.encoded()
    monkeypatch.setattr(module, "MAX_ZONES", 1)
    with pytest.raises(TooLarge, match="zones"):
        decoded(data)
    monkeypatch.setattr(module, "MAX_ZONE_BYTES", 100)
    with pytest.raises(TooLarge, match="zones"):
        decoded(data)
    with pytest.raises(TooLarge, match="zones"):
        made.encoded()
