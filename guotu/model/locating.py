"""Where vertices lie on the ellipsoid, by the rule of the ellipsoidal area (椭球面积): frames of the CRSs it knows.

Source: 国土调查办发〔2008〕32号, with the constants of CGCS2000: Gauss coordinates are rounded to 4 decimals of metres,
latitude and longitude to 6 decimals of a second, all half up.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from guotu.model.crs import authority_code, is_gauss_kruger, resolve_crs

Floats = NDArray[np.float64]

SEMI_MAJOR_M = 6378137.0
SEMI_MINOR_M = 6356752.314140356
SECONDS_PER_RADIAN = 206264.8062471

_EP2 = (SEMI_MAJOR_M**2 - SEMI_MINOR_M**2) / SEMI_MINOR_M**2
_POLAR_RADIUS_M = SEMI_MAJOR_M**2 / SEMI_MINOR_M
# K0..K4 of the rule's inverse Gauss projection, for CGCS2000.
_K = (
    1.57048761144159e-07,
    5.05250178820567e-03,
    2.98472900956587e-05,
    2.41626669230084e-07,
    2.22241238938534e-09,
)
_MAX_OFFSET_M = 500_000.0


@dataclass(frozen=True, slots=True)
class Frame:
    """How one CRS meets the formula: `length` of an edge in metres, `locate` x and y as (B, L) in radians."""

    length: Callable[[Floats, Floats], Floats]
    locate: Callable[[Floats, Floats], tuple[Floats, Floats]]


def round_half_up(values: Floats, decimals: int) -> Floats:
    """Round half up (四舍五入), as the survey does and `numpy.round`, which rounds half to even, does not."""
    scale = 10.0**decimals
    rounded: Floats = np.copysign(np.floor(np.abs(values) * scale + 0.5) / scale, values)
    return rounded


def frame_of(crs: str) -> Frame:
    """Choose the frame of a CRS.

    Raises:
        ValueError: the rule has no frame for it.
    """
    known = re.fullmatch(r"EPSG:\d+", crs)
    code = crs if known else authority_code(resolve_crs(crs))
    if code == "EPSG:4490":
        return Frame(_arc_length, _locate_geographic)
    epsg = int(code.removeprefix("EPSG:")) if code and code.startswith("EPSG:") else 0
    if not is_gauss_kruger(epsg):
        raise ValueError(
            f"area is defined on CGCS2000 only, EPSG:4490 or a Gauss-Krüger zone EPSG:4491 to 4554; got {code or crs}"
        )
    meridian, false_easting = _zone(epsg)
    return Frame(_plane_length, lambda x, y: _locate_gauss(x, y, meridian, false_easting))


def _zone(epsg: int) -> tuple[float, float]:
    """Return (central meridian in degrees, false easting in metres) of a CGCS2000 zone code."""
    if epsg <= 4501:
        return 75.0 + 6 * (epsg - 4491), (epsg - 4491 + 13) * 1e6 + 500_000
    if epsg <= 4512:
        return 75.0 + 6 * (epsg - 4502), 500_000.0
    if epsg <= 4533:
        return 75.0 + 3 * (epsg - 4513), (epsg - 4513 + 25) * 1e6 + 500_000
    return 75.0 + 3 * (epsg - 4534), 500_000.0


def _plane_length(start: Floats, end: Floats) -> Floats:
    length: Floats = np.hypot(*(end - start).T)
    return length


def _arc_length(start: Floats, end: Floats) -> Floats:
    """Length of geographic edges, spherical: it only decides how finely to cut."""
    delta = np.radians(end - start)
    shrink = np.cos(np.radians((start[:, 1] + end[:, 1]) / 2))
    length: Floats = SEMI_MAJOR_M * np.hypot(delta[:, 0] * shrink, delta[:, 1])
    return length


def _round_angle(radians: Floats) -> Floats:
    return round_half_up(radians * SECONDS_PER_RADIAN, 6) / SECONDS_PER_RADIAN


def _locate_geographic(longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
    if _beyond(latitude, 90) or _beyond(longitude, 180):
        raise ValueError("coordinates are not longitude and latitude in degrees, x before y")
    return _round_degrees(latitude), _round_degrees(longitude)


def _beyond(values: Floats, limit: float) -> bool:
    """Tell whether a value is beyond ±limit; NaN is not."""
    return bool((values > limit).any() or (values < -limit).any())


def _round_degrees(degrees: Floats) -> Floats:
    """As `_round_angle` of degrees, in radians, with fewer steps."""
    micro = degrees * (SECONDS_PER_RADIAN * 1e6 * np.pi / 180)
    micro += np.copysign(0.5, micro)
    np.trunc(micro, out=micro)
    micro /= SECONDS_PER_RADIAN * 1e6
    return micro


def _locate_gauss(
    easting: Floats, northing: Floats, meridian_deg: float, false_easting: float
) -> tuple[Floats, Floats]:
    """Inverse Gauss projection by the rule's series: (easting, northing) metres to (B, L) radians."""
    x, y = round_half_up(northing, 4), round_half_up(easting, 4) - false_easting
    if (np.abs(y) > _MAX_OFFSET_M).any():
        raise ValueError(
            f"easting lies over {_MAX_OFFSET_M / 1000:.0f} km from the central meridian {meridian_deg:g}°E: "
            "check the zone prefix and the order of the axes, or transform to EPSG:4490 first"
        )
    foot = _footpoint_latitude(x)
    cos_foot, t2 = np.cos(foot), np.tan(foot) ** 2
    eta2 = _EP2 * cos_foot**2
    v2 = 1 + eta2
    n = y * np.sqrt(v2) / _POLAR_RADIUS_M
    n2 = n * n
    bend = 0.5 - n2 / 24 * (5 + 3 * t2 + eta2 - 9 * eta2 * t2) + n2**2 / 720 * (61 + 90 * t2 + 45 * t2**2)
    latitude = foot - v2 * np.tan(foot) * n2 * bend
    fifth = 5 + 28 * t2 + 24 * t2**2 + 6 * eta2 + 8 * eta2 * t2
    longitude = n * (1 - n2 / 6 * (1 + 2 * t2 + eta2) + n2**2 / 120 * fifth) / cos_foot
    return _round_angle(latitude), _round_angle(np.radians(meridian_deg) + longitude)


def _footpoint_latitude(x: Floats) -> Floats:
    """Latitude (radians) whose meridian arc from the equator is `x` metres."""
    e0 = _K[0] * x
    sine: Floats = np.sin(e0)
    square = sine * sine
    polynomial = _K[1] - square * (_K[2] - square * (_K[3] - square * _K[4]))
    foot: Floats = e0 + np.cos(e0) * sine * polynomial
    return foot
