"""What the data files themselves say: read with pyarrow, added with `decimal`, tested against windows with shapely.

Nothing of a node is used here, but the formula of areas, so that the mesh's answers can be checked against it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from math import floor
from typing import TypeVar

import numpy as np
import pyarrow.parquet as pq
import shapely
from shapely.geometry.base import BaseGeometry

from demo.owners import LAYERS, owners_of
from guotu.model.area import ellipsoidal_area_m2

Group = TypeVar("Group")
_M2_PER_HECTARE = Decimal(10_000)
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Total:
    """Patches of a group and their exact area in square metres."""

    count: int
    area_m2: Decimal

    @property
    def hectares(self) -> Decimal:
        """Area in hectares with two decimals, half-up (四舍五入)."""
        return (self.area_m2 / _M2_PER_HECTARE).quantize(_CENT, ROUND_HALF_UP)

    def __add__(self, other: Total) -> Total:
        return Total(self.count + other.count, self.area_m2 + other.area_m2)


NOTHING = Total(0, Decimal(0))


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch of land cover."""

    key: str
    county: str
    owner: str
    igbp: int
    area_m2: Decimal


class SourceData:
    """The two files of the demonstration."""

    def __init__(self) -> None:
        county, landcover = (pq.read_table(layer.path) for layer in LAYERS)
        self.names: dict[str, str] = dict(zip(county["adcode"].to_pylist(), county["name"].to_pylist(), strict=True))
        self._county_shapes = shapely.from_wkb(county["geometry"].to_numpy())
        self._patch_shapes = shapely.from_wkb(landcover["geometry"].to_numpy())
        columns = landcover.select(["bsm", "adcode", "igbp", "area_m2"]).to_pydict()
        owners = owners_of(landcover["adcode"]).to_pylist()
        rows = zip(columns["bsm"], columns["adcode"], owners, columns["igbp"], columns["area_m2"], strict=True)
        # The shortest text of a float64 is the decimal that was written.
        self.patches = [Patch(key, code, owner, igbp, Decimal(repr(area))) for key, code, owner, igbp, area in rows]

    def totals(self, group: Callable[[Patch], Group], without: str = "") -> dict[Group, Total]:
        """Return the totals of the patches by group, those of the owner `without` left out."""
        found: dict[Group, Total] = defaultdict(lambda: NOTHING)
        for patch in self.patches:
            if patch.owner != without:
                found[group(patch)] += Total(1, patch.area_m2)
        return dict(found)

    def counties_ending_in(self, text: str) -> list[str]:
        """Return the codes of the counties whose name ends in a text."""
        return [code for code, name in self.names.items() if name.endswith(text)]

    def counties_below(self, prefix: str) -> list[str]:
        """Return the codes of counties that begin with some digits."""
        return [code for code in self.names if code.startswith(prefix)]

    def counties_within(self, polygon: BaseGeometry) -> list[str]:
        """Return the codes of the counties that lie within a polygon (EPSG:4490, lon/lat)."""
        inside = shapely.within(self._county_shapes, polygon)
        return [code for code, yes in zip(self.names, inside, strict=True) if yes]

    def patches_meeting(self, window: BaseGeometry) -> list[str]:
        """Return the keys of the patches that intersect a window (EPSG:4490, lon/lat)."""
        return [self.patches[index].key for index in np.flatnonzero(shapely.intersects(self._patch_shapes, window))]

    def cut_by(self, polygon: BaseGeometry) -> dict[int, Total]:
        """Return what a polygon (EPSG:4490, lon/lat) has in common with the patches, by class: ellipsoidal areas.

        One patch after the other; each area is rounded half up to 0.0001 m².
        """
        found: dict[int, Total] = defaultdict(lambda: NOTHING)
        for patch, shape in zip(self.patches, self._patch_shapes, strict=True):
            cut = shape if polygon.covers(shape) else polygon.intersection(shape)
            units = floor(ellipsoidal_area_m2(np.array([cut]))[0] * 10_000 + 0.5)
            if units:
                found[patch.igbp] += Total(1, Decimal(units).scaleb(-4))
        return dict(found)

    def largest_patches(self, number: int) -> list[str]:
        """Return the keys of the largest patches, the largest first, equal ones by key."""
        ordered = sorted(self.patches, key=lambda patch: (-patch.area_m2, patch.key))
        return [patch.key for patch in ordered[:number]]
