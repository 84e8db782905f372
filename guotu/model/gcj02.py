"""GCJ-02 (国测局坐标, the shifted datum of public web maps): only to recognise data from such a map.

Source: the approximation in public use everywhere; there is no published standard. WGS 84 and CGCS2000 differ
by centimetres, far below what this tells apart.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The Krassovsky 1940 ellipsoid, which the shift uses whatever the datum of its input.
_SEMI_MAJOR_M = 6378245.0
_E2 = 0.00669342162296594323
# Outside this box (lon, lat) web maps do not shift.
_WEST, _EAST, _SOUTH, _NORTH = 72.004, 137.8347, 0.8293, 55.8271
# Each round gains about three digits; after five the remainder is below a double's resolution of degrees.
_ROUNDS = 6


def wgs_to_gcj(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Shift WGS 84 longitudes and latitudes (degrees, shape (n,)) to GCJ-02; outside China they stay."""
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    inside = (lon >= _WEST) & (lon <= _EAST) & (lat >= _SOUTH) & (lat <= _NORTH)
    east, north = _shift(lon, lat)
    return lon + np.where(inside, east, 0.0), lat + np.where(inside, north, 0.0)


def gcj_to_wgs(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Undo `wgs_to_gcj` (degrees, shape (n,)), by iteration; exact to 1e-6° inside China."""
    target_lon, target_lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    guess_lon, guess_lat = target_lon, target_lat
    for _ in range(_ROUNDS):
        image_lon, image_lat = wgs_to_gcj(guess_lon, guess_lat)
        guess_lon, guess_lat = guess_lon + target_lon - image_lon, guess_lat + target_lat - image_lat
    return guess_lon, guess_lat


def _shift(lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Return the shift east and north, in degrees."""
    x, y = lon - 105.0, lat - 35.0
    east_m, north_m = _shift_m(x, y)
    curve = 1 - _E2 * np.sin(np.radians(lat)) ** 2
    prime_vertical = _SEMI_MAJOR_M / np.sqrt(curve)
    meridian = _SEMI_MAJOR_M * (1 - _E2) / (curve * np.sqrt(curve))
    return np.degrees(east_m / (prime_vertical * np.cos(np.radians(lat)))), np.degrees(north_m / meridian)


def _shift_m(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the shift east and north, in metres, at `x`, `y` degrees from 105°E 35°N."""
    root = np.sqrt(np.abs(x))
    common = 20 * np.sin(6 * np.pi * x) + 20 * np.sin(2 * np.pi * x)
    east = 300 + x + 2 * y + 0.1 * x**2 + 0.1 * x * y + 0.1 * root
    east += (common + _waves(x, (20, 1), (40, 1 / 3), (150, 1 / 12), (300, 1 / 30))) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y**2 + 0.1 * x * y + 0.2 * root
    north += (common + _waves(y, (20, 1), (40, 1 / 3), (160, 1 / 12), (320, 1 / 30))) * 2 / 3
    return east, north


def _waves(value: Floats, *terms: tuple[float, float]) -> Floats:
    """Sum amplitude * sin(frequency * pi * value)."""
    total = np.zeros_like(value)
    for amplitude, frequency in terms:
        total += amplitude * np.sin(frequency * np.pi * value)
    return total
