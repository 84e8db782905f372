from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.collection import GeometryType
from node.ingest.geometry import GeometryInspector, Inspected
from node.ingest.kinds import FaultKind as K
from node.ingest.report import Fault
from node.ingest.tally import Notes, RowNames, Tally
from tests.support.layers import bowtie, wkb_of

SQUARE = shapely.box(104.0, 30.0, 104.01, 30.01)
OTHER = shapely.box(104.02, 30.0, 104.03, 30.01)
LINE = shapely.LineString([(104.0, 30.0), (104.01, 30.01)])
POINT = shapely.Point(104.0, 30.0)
FAMILIES = {
    GeometryType.POINT: (POINT, shapely.MultiPoint([POINT, (104.1, 30.1)])),
    GeometryType.LINE: (LINE, shapely.MultiLineString([LINE, [(104.1, 30.1), (104.2, 30.2)]])),
    GeometryType.POLYGON: (SQUARE, shapely.MultiPolygon([SQUARE, OTHER])),
}
DEGREES = st.floats(104.0, 104.1).map(lambda value: round(value, 4))
RINGS = st.lists(st.tuples(DEGREES, DEGREES.map(lambda x: x - 74)), min_size=3, max_size=7)


def inspect(
    kind: GeometryType, *shapes: object, repair: bool = False
) -> tuple[Inspected, list[Fault], GeometryInspector]:
    tally, inspector = Tally(), GeometryInspector(kind, repair)
    wkb = pa.array(wkb_of(shapes), pa.binary())
    return inspector.take(inspector.parse(wkb), Notes(tally, RowNames(None, 0))), tally.findings(), inspector


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_type_and_its_multi_type_are_taken_and_no_other(kind: GeometryType):
    shapes = [shape for family in FAMILIES.values() for shape in family]
    inspected, findings, _ = inspect(kind, *shapes)
    taken = [shape in FAMILIES[kind] for shape in shapes]
    assert (~np.isnan(inspected.bounds).any(axis=1)).tolist() == taken
    assert {fault.kind for fault in findings} == {K.GEOMETRY_TYPE}
    assert sum(fault.count for fault in findings) == 4
    assert {fault.values for fault in findings} == {(kind.value,)}


def test_sound_bytes_pass_unchanged():
    big_endian = shapely.to_wkb(SQUARE, byte_order=0)
    inspected, findings, _ = inspect(GeometryType.POLYGON, big_endian, OTHER)
    assert findings == []
    assert inspected.shapes[0].as_py() == big_endian


def test_only_parts_of_the_right_dimension_are_kept():
    spike = shapely.Polygon([(104, 30), (104.01, 30), (104.01, 30.01), (104.02, 30.02), (104.01, 30.01), (104, 30.01)])
    inspected, findings, inspector = inspect(GeometryType.POLYGON, spike, repair=True)
    assert [fault.kind for fault in findings] == [K.NOTICE_REPAIRED]
    assert shapely.from_wkb(inspected.shapes[0].as_py()).equals(SQUARE)
    assert inspector.repairs.largest_change_m2 == pytest.approx(0, abs=0.01)


def test_reasons_are_grouped_without_their_places():
    _, findings, _ = inspect(GeometryType.POLYGON, bowtie(), SQUARE, bowtie(104.2, 30.2))
    assert [(fault.kind, fault.detail, fault.count, fault.keys) for fault in findings] == [
        (K.GEOMETRY_INVALID, "Self-intersection", 2, ("#1", "#3"))
    ]


def test_repairs_add_up_over_batches():
    tally, inspector = Tally(), GeometryInspector(GeometryType.POLYGON, repair=True)
    for start in (0, 10):
        wkb = pa.array(wkb_of([bowtie()] * 4), pa.binary())
        inspector.take(inspector.parse(wkb), Notes(tally, RowNames(None, start)))
    repairs = inspector.repairs
    assert (repairs.count, repairs.keys) == (8, ("#1", "#2", "#3", "#4", "#11"))
    assert repairs.area_after_m2 == pytest.approx(8 * repairs.largest_change_m2, rel=1e-3)


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(DEGREES, DEGREES.map(lambda x: x - 74)), min_size=3, max_size=7), min_size=1, max_size=6
    )
)
def test_after_repair_all_is_valid_or_told(rings: list[list[tuple[float, float]]]):
    shapes = [shapely.Polygon(ring) for ring in rings]
    valid = [bool(shapely.is_valid(shape)) for shape in shapes]
    _, without, _ = inspect(GeometryType.POLYGON, *shapes)
    assert sum(fault.count for fault in without if fault.kind is K.GEOMETRY_INVALID) == valid.count(False)
    inspected, findings, inspector = inspect(GeometryType.POLYGON, *shapes, repair=True)
    lost = sum(fault.count for fault in findings if fault.kind is K.GEOMETRY_UNREPAIRABLE)
    repaired = inspector.repairs.count if inspector.repairs else 0
    assert repaired + lost == valid.count(False)
    after = shapely.from_wkb(inspected.shapes.to_numpy(zero_copy_only=False))
    assert shapely.is_valid(after).sum() == len(shapes) - lost
    assert all(got.equals(was) for got, was, good in zip(after, shapes, valid, strict=True) if good)
