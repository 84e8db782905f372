"""Laws of joined coverages: they cover what either covers, stay small, and stay as they are when joined again."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.coverage import DEFAULT_MAX_BYTES, CoverageBuilder
from guotu.model.records import Extent
from sync.territory import enclosing, joined_coverage

boxes = st.lists(
    st.tuples(st.floats(73, 135), st.floats(3, 53), st.floats(0, 0.7), st.floats(0, 0.7)), min_size=1, max_size=20
)
Boxes = list[tuple[float, float, float, float]]


def polygon_of(drawn: Boxes) -> shapely.Geometry:
    x, y, width, height = np.array(drawn).T
    builder = CoverageBuilder()
    builder.add(x, y, x + width, y + height)
    return builder.polygon()


@settings(deadline=None)
@given(boxes, boxes)
def test_it_covers_both_and_is_small(one: Boxes, other: Boxes) -> None:
    first, second = polygon_of(one), polygon_of(other)
    joined = joined_coverage(shapely.to_wkb(first), second)
    assert shapely.covers(joined.buffer(1e-9), shapely.union(first, second))
    assert len(shapely.to_wkb(joined)) <= DEFAULT_MAX_BYTES
    again = joined_coverage(shapely.to_wkb(joined), second)
    assert shapely.equals(again, joined)


@settings(deadline=None)
@given(boxes)
def test_alone_it_stays(one: Boxes) -> None:
    polygon = polygon_of(one)
    assert shapely.equals(joined_coverage(b"", polygon), polygon)
    assert shapely.equals(joined_coverage(shapely.to_wkb(polygon), None), polygon)


def test_nothing() -> None:
    assert joined_coverage(b"", None) is None
    extent = Extent(1, 2, 3, 4)
    assert (enclosing(None, None), enclosing(extent, None), enclosing(None, extent)) == (None, extent, extent)
    assert enclosing(extent, Extent(0, 3, 2, 5)) == Extent(0, 2, 3, 5)
