"""A selection's parts become one expression, one window, one division."""

from __future__ import annotations

import pytest
import shapely

from federation.selection import bind_selection
from guotu.model.errors import InvalidFilter, InvalidQuestion, TooLarge
from guotu.model.expression import (
    And,
    Compare,
    Comparison,
    Like,
    Spatial,
    SpatialRelation,
)
from guotu.model.question import MAX_FILTER_BYTES, Selection
from guotu.model.records import Extent
from tests.support.federation_parts import FIGURES, PARCELS

SQUARE = "POLYGON((104 30,105 30,105 31,104 31,104 30))"
PADDY = Compare("DLBM", Comparison.EQ, "0101")


def test_parts_of_a_selection_all_hold() -> None:
    square = shapely.from_wkt(SQUARE)
    bound = bind_selection(
        Selection("DLBM = '0101'", Extent(104, 30, 105, 31), shapely.to_wkb(square), "510100"), PARCELS
    )
    assert isinstance(bound.expression, And)
    filtered, boxed, within, like = bound.expression.parts
    assert filtered == PADDY
    assert isinstance(boxed, Spatial)
    assert boxed.relation is SpatialRelation.INTERSECTS
    assert isinstance(within, Spatial)
    assert within.relation is SpatialRelation.WITHIN
    assert like == Like("ZLDWDM", "5101%")
    assert bound.division == "510100"
    assert bound.window is not None
    assert bound.window.equals(square)


def test_an_empty_selection_selects_all() -> None:
    bound = bind_selection(Selection(filter="  \n"), PARCELS)
    assert (bound.expression, bound.window, bound.division) == (None, None, "")


def test_the_nation_is_no_restriction() -> None:
    assert bind_selection(Selection(division="100000"), PARCELS).expression is None


def test_a_box_without_width_is_a_point() -> None:
    bound = bind_selection(Selection(bbox=Extent(104, 30, 104, 30)), PARCELS)
    assert bound.window is not None
    assert bound.window.equals(shapely.Point(104, 30))


@pytest.mark.parametrize(
    ("selection", "part"),
    [
        (Selection(bbox=Extent(105, 30, 104, 31)), "bbox"),
        (Selection(bbox=Extent(30, 104, 31, 105)), "bbox"),
        (Selection(bbox=Extent(float("nan"), 30, 105, 31)), "bbox"),
        (Selection(within=b"\1\2"), "within"),
        (Selection(within=shapely.to_wkb(shapely.Point(104, 30))), "within"),
        (Selection(division="51"), "division"),
        (Selection(division="5101000"), "division"),
    ],
)
def test_parts_out_of_bounds_are_named(selection: Selection, part: str) -> None:
    with pytest.raises(InvalidQuestion) as refusal:
        bind_selection(selection, PARCELS)
    assert refusal.value.facts["part"] == part


@pytest.mark.parametrize(
    "polygon", ["POLYGON EMPTY", "POLYGON((0 0,1 1,1 0,0 1,0 0))", "POLYGON((1 91,2 91,2 92,1 91))"]
)
def test_a_polygon_must_be_sound(polygon: str) -> None:
    with pytest.raises(InvalidFilter):
        bind_selection(Selection(within=shapely.to_wkb(shapely.from_wkt(polygon))), PARCELS)


def test_what_a_collection_does_not_have_cannot_select() -> None:
    with pytest.raises(InvalidQuestion, match="has no geometry"):
        bind_selection(Selection(bbox=Extent(104, 30, 105, 31)), FIGURES)
    with pytest.raises(InvalidQuestion, match="no division field"):
        bind_selection(Selection(division="510000"), FIGURES)
    with pytest.raises(TooLarge):
        bind_selection(Selection(within=b"\0" * (MAX_FILTER_BYTES + 1)), PARCELS)
