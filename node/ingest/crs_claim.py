"""Which reference system a layer is taken to be in: the file's word, the caller's, and whether it may be used."""

from __future__ import annotations

from dataclasses import dataclass

from pyproj import CRS

from guotu.model.crs import MESH_CRS, authority_code, resolve_crs
from node.ingest.kinds import FaultKind
from node.ingest.reader import LayerFacts
from node.ingest.tally import Tally, shorten

_CGCS2000_CODES = frozenset({"EPSG:4490", "EPSG:4480", "EPSG:4479"})
_WGS84_CODES = frozenset({"EPSG:4326", "EPSG:4979", "EPSG:4978", "OGC:CRS84", "OGC:CRS84H"})
_CGCS2000_DATUMS = frozenset({"china2000", "dchina2000", "cgcs2000"})
_WGS84_DATUMS = frozenset(
    {"worldgeodeticsystem1984", "worldgeodeticsystem1984ensemble", "wgs1984", "dwgs1984", "wgs84"}
)


@dataclass(frozen=True, slots=True)
class CrsClaim:
    """A reference system that geometries can be transformed from."""

    crs: CRS
    name: str
    """Code such as EPSG:4523, or the name where it has none."""
    source: str
    """What to transform from, for `guotu.model.crs`; the mesh's own CRS where nothing is to be done."""


def settle_crs(facts: LayerFacts, option: str | None, tally: Tally) -> CrsClaim | None:
    """Settle what the file and the caller (`option`) say; None if that cannot be used, which is written down.

    WGS 84 is accepted as CGCS2000, with a notice: they differ by centimetres. Other datums (Xi'an 80, Beijing 54) are
    refused, since the parameters of their transformation are secret.
    """
    given = _resolve(option, tally) if option else None
    own = _resolve(facts.crs, tally) if facts.crs else None
    if own is not None and own.is_engineering:  # how GDAL says that a file does not know
        own = None
    if (option and given is None) or (facts.crs and own is None and given is None):
        return None
    if given is not None and own is not None and facts.crs_stated and not _same(given, own):
        tally.add(FaultKind.CRS_CONFLICT, detail=f"{_name(given)} ≠ {_name(own)}")
        return None
    crs = given or own
    if crs is None:
        tally.add(FaultKind.CRS_MISSING)
        return None
    return _admit(crs, tally)


def _admit(crs: CRS, tally: Tally) -> CrsClaim | None:
    name = _name(crs)
    flat = crs.sub_crs_list[0] if crs.is_compound else crs
    base = flat.geodetic_crs
    if base is None or not (flat.is_geographic or flat.is_projected):
        tally.add(FaultKind.CRS_UNKNOWN, detail=name)
        return None
    is_wgs84 = _is_on(base, _WGS84_CODES, _WGS84_DATUMS)
    if not is_wgs84 and not _is_on(base, _CGCS2000_CODES, _CGCS2000_DATUMS):
        tally.add(FaultKind.CRS_DATUM, detail=name)
        return None
    if is_wgs84:
        tally.add(FaultKind.NOTICE_WGS84, detail=name)
    return CrsClaim(flat, name, MESH_CRS if flat.is_geographic else flat.to_wkt())


def _is_on(base: CRS, codes: frozenset[str], datums: frozenset[str]) -> bool:
    if authority_code(base) in codes:
        return True
    datum = base.datum.name if base.datum else ""
    return "".join(filter(str.isalnum, datum.casefold())) in datums


def _resolve(text: str, tally: Tally) -> CRS | None:
    try:
        return resolve_crs(text)
    except ValueError:
        tally.add(FaultKind.CRS_UNKNOWN, detail=shorten(text))
        return None


def _same(one: CRS, other: CRS) -> bool:
    if one.equals(other, ignore_axis_order=True):
        return True
    code = authority_code(one)
    return code is not None and code == authority_code(other)


def _name(crs: CRS) -> str:
    return authority_code(crs) or crs.name
