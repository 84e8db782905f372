"""Boundaries of administrative divisions, as the mesh itself holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Bounds = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax in degrees, EPSG:4490, lon/lat."""


@dataclass(frozen=True, slots=True)
class KnownDivision:
    """A division by its names, and about where it lies."""

    code: str
    """GB/T 2260, six digits."""
    name: str
    """From its province on: "四川省成都市武侯区"; empty if it is not known."""
    bounds: Bounds | None = None
    counties: Mapping[str, Bounds] = field(default_factory=dict)
    """The counties below it, or itself if it is one, by code."""


FindDivisions = Callable[[str], Sequence[KnownDivision]]
"""Returns the divisions that a code or a name may mean, by code; of a name that stands alone, all of that name."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """The boundary of a division."""

    code: str
    name: str
    wkb: bytes
    """Polygon or multipolygon: WKB, EPSG:4490, lon/lat."""
    cut: Mapping[str, int] = field(default_factory=dict)
    """Versions of the datasets that it was taken from."""
    parts: int = 1
    """Features that it was put together of."""
