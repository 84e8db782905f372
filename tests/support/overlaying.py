"""Overlays by the plainest means: one pair after the other, nothing prepared, cut up or left out."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import shapely

from guotu.model.area import ellipsoidal_area_m2

Rows = dict[tuple[Hashable, ...], tuple[int, Decimal]]


class Oracle:
    """Features with their groups, to be laid over zones."""

    def __init__(self, shapes: np.ndarray, groups: Sequence[tuple[Hashable, ...]]) -> None:
        self._shapes = shapes
        self._groups = groups

    def rows(self, zones: np.ndarray, names: Sequence[str]) -> Rows:
        """Return (count, area) by zone and group."""
        found: Rows = {}
        for name, zone in zip(names, zones, strict=True):
            for shape, group in zip(self._shapes, self._groups, strict=True):
                area = common_area(zone, shape)
                if area:
                    count, total = found.get((name, *group), (0, Decimal(0)))
                    found[name, *group] = (count + 1, total + area)
        return found


def common_area(zone: shapely.Geometry, shape: shapely.Geometry | None) -> Decimal:
    """Return the area that a zone and a feature have in common, m², four decimals, half up."""
    if shape is None or shapely.is_empty(shape) or not shapely.intersects(zone, shape):
        return Decimal(0)
    cut = shapely.intersection(zone, shape)
    within = shapely.covers(zone, shape) or cut.area >= shape.area * (1 - 1e-9)
    (area,) = ellipsoidal_area_m2(np.array([shape if within else cut]))
    return Decimal(math.floor(float(area) * 10_000 + 0.5)).scaleb(-4)


def rows_of(table: pa.Table, group_by: Sequence[str]) -> Rows:
    """Return an overlay's rows as the oracle has them."""
    keys = ["zone", *group_by]
    return {tuple(row[key] for key in keys): (row["count"], row["area_m2"]) for row in table.to_pylist()}
