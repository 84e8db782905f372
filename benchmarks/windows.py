"""Where questions are asked: square windows around places, and a large polygon across the provinces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

_KM_PER_DEGREE = 111.32


@dataclass(frozen=True, slots=True)
class Place:
    """A place by name; degrees, EPSG:4490."""

    name: str
    lon: float
    lat: float

    def window(self, side_km: float) -> tuple[float, float, float, float]:
        """Return (xmin, ymin, xmax, ymax) in degrees of a window about `side_km` wide and high."""
        high = side_km / 2 / _KM_PER_DEGREE
        wide = high / float(np.cos(np.radians(self.lat)))
        return (self.lon - wide, self.lat - high, self.lon + wide, self.lat + high)


PLACES = (
    Place("成都 Chengdu", 104.07, 30.66),
    Place("绵阳 Mianyang", 104.74, 31.47),
    Place("重庆 Chongqing", 106.55, 29.56),
    Place("贵阳 Guiyang", 106.71, 26.60),
    Place("赤水 Chishui, where three provinces meet", 105.70, 28.59),
)
"""Places whose windows have one owner, two or three."""


def disc(lon: float, lat: float, radius_km: float, corners: int = 64) -> shapely.Polygon:
    """Return a polygon like a disc; degrees, lon/lat."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    high = radius_km / _KM_PER_DEGREE
    wide = high / np.cos(np.radians(lat))
    return shapely.Polygon(np.stack([lon + wide * np.cos(angle), lat + high * np.sin(angle)], axis=1))
