"""The window of a filter: a region outside of which it cannot be true."""

from __future__ import annotations

import shapely
from shapely.geometry.base import BaseGeometry

from guotu.model.expression import Always, And, Expression, Or, Spatial, SpatialRelation, WithinDistance
from guotu.model.surroundings import surroundings


def window_of(expression: Expression | None) -> BaseGeometry | None:
    """Return a geometry (EPSG:4490, lon/lat) that every matching feature intersects; None if there is no such bound.

    An empty geometry means that nothing can match.
    """
    match expression:
        case Spatial(relation, wkb) if relation is not SpatialRelation.DISJOINT:
            return shapely.from_wkb(wkb)
        case WithinDistance(wkb, metres):
            return surroundings(wkb, metres).outer
        case And(parts):
            windows = [window for part in parts if (window := window_of(part)) is not None]
            return tightest(windows)
        case Or(parts) if parts:
            alternatives = [window_of(part) for part in parts]
            # A collection, not a union: overlaying would round coordinates, and the bound would not be one any more.
            return None if any(item is None for item in alternatives) else shapely.geometrycollections(alternatives)
        case Always(False):
            return shapely.Polygon()
    return None


def tightest(windows: list[BaseGeometry]) -> BaseGeometry | None:
    """Of several windows that all must be met, the smallest one bounds; a feature may meet two that are apart."""
    if not windows:
        return None
    return min(windows, key=lambda window: shapely.box(*window.bounds).area if not window.is_empty else -1.0)
