"""Laws of the coverage: it covers all, keeps its size, and does not depend on order or batches."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.coverage import MIN_BYTES, CoverageBuilder


@st.composite
def boxes(draw):
    """A box anywhere on earth, from a point to a hemisphere, with a liking for grid lines."""
    step = draw(st.sampled_from([0.01, 0.05, 1.0, 10.0]))
    on_line = st.integers(-9, 9).map(lambda k: k * step)
    xmin, ymin = draw(on_line | st.floats(-180, 180)), draw(on_line | st.floats(-90, 90))
    width, height = (draw(st.sampled_from([0.0, 1e-9, 0.004, 0.3, 40.0])) for _ in range(2))
    return xmin, ymin, min(xmin + width, 180.0), min(ymin + height, 90.0)


many = st.lists(boxes(), min_size=1, max_size=30).map(np.array)


def footprint(xmin, ymin, xmax, ymax):
    """The box as what it is: a point, a line or a polygon; GEOS covers no polygon of no area."""
    if xmin < xmax and ymin < ymax:
        return shapely.box(xmin, ymin, xmax, ymax)
    return (
        shapely.LineString([(xmin, ymin), (xmax, ymax)]) if (xmin, ymin) != (xmax, ymax) else shapely.Point(xmin, ymin)
    )


def build(batches, max_bytes=2048):
    builder = CoverageBuilder(max_bytes)
    for batch in batches:
        builder.add(*batch.T)
    return builder.polygon()


@given(many, st.integers(MIN_BYTES, 2048))
@settings(deadline=None)
def test_every_box_is_covered_within_the_size(rows, max_bytes):
    coverage = build([rows], max_bytes)
    assert shapely.covers(coverage, [footprint(*row) for row in rows]).all()
    assert len(shapely.to_wkb(coverage)) <= max_bytes
    assert coverage.is_valid


@given(many, st.randoms(use_true_random=False), st.integers(1, 5))
@settings(deadline=None, max_examples=50)
def test_order_and_batches_do_not_matter(rows, random, count):
    shuffled = rows[random.sample(range(len(rows)), len(rows))]
    assert build(np.array_split(shuffled, count)).equals(build([rows]))
