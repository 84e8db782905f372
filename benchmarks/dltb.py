"""The 地类图斑 layer DLTB (TD/T 1057-2020, 30 fields) and synthetic values for it."""

import json
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyproj
from numpy.typing import NDArray

from benchmarks.landuse import LAND_CLASSES, RIDGE_SHARE, draw_classes
from benchmarks.villages import Villages

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_TEXT = (
    *("BSM", "YSDM", "TBYBH", "TBBH", "DLBM", "DLMC", "QSXZ", "QSDWDM", "QSDWMC", "ZLDWDM", "ZLDWMC"),
    *("KCDLBM", "GDLX", "GDPDJB", "TBXHDM", "TBXHMC", "ZZSXDM", "ZZSXMC", "FRDBS", "CZCSXM"),
    *("MSSM", "HDMC", "BZ"),
)
_WHOLE = ("GDDB", "SJNF")
FIELDS = (
    *("BSM", "YSDM", "TBYBH", "TBBH", "DLBM", "DLMC", "QSXZ", "QSDWDM", "QSDWMC", "ZLDWDM", "ZLDWMC"),
    *("TBMJ", "KCDLBM", "KCXS", "KCMJ", "TBDLMJ", "GDLX", "GDPDJB", "XZDWKD"),
    *("TBXHDM", "TBXHMC", "ZZSXDM", "ZZSXMC", "GDDB", "FRDBS", "CZCSXM", "SJNF", "MSSM", "HDMC", "BZ"),
)
"""Field codes in the order of the standard."""

_CROPS = (("LS", "种植粮食作物"), ("FLS", "种植非粮食作物"), ("LYFL", "粮与非粮轮作"), ("XG", "休耕"))
_REFINED = (("HQGD", "河区耕地"), ("LQGD", "林区耕地"), ("SMGD", "沙荒耕地"))


@cache
def crs_projjson() -> str:
    """PROJJSON of EPSG:4490 (CGCS2000, degrees); stored coordinates are lon/lat all the same."""
    return json.dumps(pyproj.CRS.from_epsg(4490).to_json_dict(), ensure_ascii=False)


@cache
def schema() -> pa.Schema:
    """Arrow schema: the 30 fields, then `geometry` (WKB, little-endian, geoarrow.wkb with its CRS)."""
    kinds = dict.fromkeys(_TEXT, pa.string()) | dict.fromkeys(_WHOLE, pa.int64())
    extension = {
        "ARROW:extension:name": "geoarrow.wkb",
        "ARROW:extension:metadata": json.dumps({"crs": json.loads(crs_projjson()), "crs_type": "projjson"}),
    }
    fields = [pa.field(name, kinds.get(name, pa.float64())) for name in FIELDS]
    return pa.schema([*fields, pa.field("geometry", pa.binary(), metadata=extension)])


def attributes(
    adcode: str, villages: Villages, area: NDArray[np.float64], rng: np.random.Generator
) -> dict[str, pa.Array]:
    """Values of the 30 fields for the parcels of one county, in row order.

    `area` is ellipsoidal, m². KCMJ = TBMJ x KCXS rounded half-up to 0.01 m², TBDLMJ = TBMJ - KCMJ.
    """
    land = draw_classes(villages.index, rng)
    tilled = _of_class("01")[land]
    values = _identity(adcode, villages, land, rng) | _ownership(adcode, villages, land, rng)
    values |= _farmland(area, tilled, rng) | _details(land, tilled, rng)
    return {name: values[name] for name in FIELDS}


def _identity(adcode: str, villages: Villages, land: Ints, rng: np.random.Generator) -> dict[str, pa.Array]:
    """Keys, class and constants."""
    rows = len(land)
    number = digits(villages.serial, 4)
    return {
        "BSM": pc.binary_join_element_wise(adcode + "2110", digits(np.arange(1, rows + 1), 8), ""),
        "YSDM": pa.repeat(pa.scalar("2001010100"), rows),
        "TBYBH": pc.if_else(pa.array(rng.random(rows) < 0.5), number, pa.scalar(None, pa.string())),
        "TBBH": number,
        "DLBM": pick([one.code for one in LAND_CLASSES], land),
        "DLMC": pick([one.name for one in LAND_CLASSES], land),
        "SJNF": pa.array(rng.choice(np.arange(2019, 2025), rows, p=[0.3, 0.1, 0.1, 0.1, 0.15, 0.25])),
        "MSSM": pa.repeat(pa.scalar("00"), rows),
        "HDMC": pa.nulls(rows, pa.string()),
        "BZ": pick(["图斑边界以实地调查为准", "待核实"], _some(rng.integers(0, 2, rows), rng, 0.03)),
    }


def _ownership(adcode: str, villages: Villages, land: Ints, rng: np.random.Generator) -> dict[str, pa.Array]:
    """Where the parcel lies and whose it is: the village, or for state land the county."""
    state = rng.random(len(land)) < np.array([one.state for one in LAND_CLASSES])[land]
    collective = rng.choice(3, len(land), p=[0.9, 0.07, 0.03])
    owner = np.where(state, len(villages.codes), villages.index)
    return {
        "QSXZ": pick(["30", "31", "32", "10", "20"], np.where(state, 3 + (collective == 0), collective)),
        "QSDWDM": pick([*villages.codes, adcode + "0" * 13], owner),
        "QSDWMC": pick([*villages.names, villages.county + "人民政府"], owner),
        "ZLDWDM": pick(villages.codes, villages.index),
        "ZLDWMC": pick(villages.names, villages.index),
    }


def _farmland(area: NDArray[np.float64], tilled: Mask, rng: np.random.Generator) -> dict[str, pa.Array]:
    """Areas, and the ridges (田坎, 1203) deducted from sloping cultivated land, in whole 0.01 m²."""
    rows = len(area)
    slope = rng.choice(5, rows, p=[0.15, 0.2, 0.35, 0.22, 0.08])
    terraced = (rng.random(rows) < 0.55).astype(np.int64)
    share = np.where(tilled, RIDGE_SHARE[slope, terraced], 0.0)
    cents = np.floor(area * 100 + 0.5).astype(np.int64)
    ridge = (cents * np.rint(share * 10_000).astype(np.int64) + 5_000) // 10_000
    return {
        "TBMJ": pa.array(cents / 100),
        "KCDLBM": pick(["1203"], np.where(share > 0, 0, -1)),
        "KCXS": pa.array(share),
        "KCMJ": pa.array(ridge / 100),
        "TBDLMJ": pa.array((cents - ridge) / 100),
        "GDLX": pick(["PD", "TT"], np.where(tilled & (slope > 0), terraced, -1)),
        "GDPDJB": pick(["1", "2", "3", "4", "5"], np.where(tilled, slope, -1)),
        "GDDB": pa.array(rng.integers(5, 14, rows), mask=~tilled),
    }


def _details(land: Ints, tilled: Mask, rng: np.random.Generator) -> dict[str, pa.Array]:
    """Fields that only some classes have."""
    rows = len(land)
    usual = np.array([one.width for one in LAND_CLASSES])[land]
    width = np.round(usual * rng.lognormal(0.0, 0.3, rows), 1)
    crop = np.where(tilled, rng.choice(len(_CROPS), rows, p=[0.62, 0.28, 0.08, 0.02]), -1)
    refined = np.where(tilled, _some(rng.integers(0, len(_REFINED), rows), rng, 0.05), -1)
    settled = np.array([one.settled for one in LAND_CLASSES])[land]
    place = np.where(settled, rng.choice(3, rows, p=[0.1, 0.15, 0.75]), -1)
    return {
        "XZDWKD": pa.array(width, mask=usual == 0),
        "TBXHDM": pick([code for code, _ in _REFINED], refined),
        "TBXHMC": pick([name for _, name in _REFINED], refined),
        "ZZSXDM": pick([code for code, _ in _CROPS], crop),
        "ZZSXMC": pick([name for _, name in _CROPS], crop),
        "FRDBS": pick(["1"], _some(np.zeros(rows, np.int64), rng, 0.002)),
        "CZCSXM": pick(["201", "202", "203"], place),
    }


def _of_class(first: str) -> Mask:
    """Mask over `LAND_CLASSES` of a first-level class (一级类)."""
    return np.array([one.code.startswith(first) for one in LAND_CLASSES])


def _some(values: Ints, rng: np.random.Generator, share: float) -> Ints:
    """Keep a random `share` of the values, -1 for the rest."""
    return np.where(rng.random(len(values)) < share, values, -1)


def pick(values: list[str], index: Ints) -> pa.Array:
    """Strings by index; -1 is null."""
    return pa.array(values, pa.string()).take(pa.array(index, mask=index < 0))


def digits(numbers: Ints, width: int) -> pa.Array:
    """Decimal strings padded with zeros to `width`."""
    return pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, padding="0")
