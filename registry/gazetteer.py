"""Gazetteer 行政区划名录: name, bounds and parent of each administrative division."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files

import pyarrow as pa
import pyarrow.csv

from guotu.model.boundary import KnownDivision
from guotu.model.division import is_division

_RANKS = {"nation": 0, "province": 1, "prefecture": 2, "county": 3}


@dataclass(frozen=True, slots=True)
class GazetteerEntry:
    """One division.

    Attributes:
        code: six digits, GB/T 2260; `100000` is the nation.
        name: full Chinese name.
        level: nation, province, prefecture or county.
        parent: code of the division it belongs to; empty for the nation. Not always the prefix of `code`:
            419001 济源市 and 500101 万州区 belong directly to their provinces.
        bounds: xmin, ymin, xmax, ymax; degrees, lon/lat, EPSG:4490.
    """

    code: str
    name: str
    level: str
    parent: str
    bounds: tuple[float, float, float, float]


class Gazetteer:
    """All divisions of the country by code.

    A few codes stand on two levels (820000 is a province and its only county, 441900 a prefecture and its
    only county); such a code means its higher level everywhere here, so that a walk from the nation through
    `children` meets every code exactly once.
    """

    def __init__(self, entries: Iterable[GazetteerEntry]) -> None:
        lowest_first = sorted(entries, key=lambda entry: (-_RANKS[entry.level], entry.code))
        by_code = {entry.code: entry for entry in lowest_first}
        self._entries = dict(sorted(by_code.items()))
        self._children: dict[str, list[GazetteerEntry]] = {}
        for entry in self._entries.values():
            if entry.parent:
                self._children.setdefault(entry.parent, []).append(entry)

    @classmethod
    def load(cls) -> Gazetteer:
        """Read the gazetteer that is installed with this package."""
        text = {name: pa.string() for name in ("code", "name", "level", "parent")}
        options = pa.csv.ConvertOptions(column_types=text, strings_can_be_null=False)
        with files("registry").joinpath("data/divisions.csv").open("rb") as stream:
            table = pa.csv.read_csv(stream, convert_options=options)
        rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
        return cls(
            GazetteerEntry(code, name, level, parent, (xmin, ymin, xmax, ymax))
            for code, name, level, parent, xmin, ymin, xmax, ymax in rows
        )

    def get(self, code: str) -> GazetteerEntry | None:
        """Return the division of six-digit *code*, of its higher level if it has two; None if unknown."""
        return self._entries.get(code)

    def name(self, code: str) -> str:
        """Return the name to show for *code*; the code itself if it is unknown, so that no label is blank."""
        entry = self._entries.get(code)
        return entry.name if entry else code

    def find(self, wanted: str) -> tuple[KnownDivision, ...]:
        """Return the divisions that a code or a name may mean, by code.

        A name is a full one ("武侯区"), or one with those above it before it ("成都市武侯区").
        """
        if is_division(wanted):
            entry = self._entries.get(wanted)
            return (KnownDivision(wanted, "") if entry is None else self._known(entry),)
        alike = (entry for entry in self._entries.values() if wanted.endswith(entry.name))
        found = (self._known(entry) for entry in alike)
        return tuple(division for division in found if division.name.endswith(wanted))

    def _known(self, entry: GazetteerEntry) -> KnownDivision:
        names = [entry.name]
        above = self._entries.get(entry.parent)
        while above is not None and above.parent:
            names.append(above.name)
            above = self._entries.get(above.parent)
        counties = {county.code: county.bounds for county in self._counties(entry)}
        return KnownDivision(entry.code, "".join(reversed(names)), entry.bounds, counties)

    def _counties(self, entry: GazetteerEntry) -> Iterator[GazetteerEntry]:
        below = self._children.get(entry.code)
        if not below:
            yield entry
        for child in below or ():
            yield from self._counties(child)

    def children(self, code: str) -> tuple[GazetteerEntry, ...]:
        """Return the divisions directly below *code* in the order of their codes; none if it has none."""
        return tuple(self._children.get(code, ()))

    def bounds_table(self) -> pa.Table:
        """Return code: string, xmin, ymin, xmax, ymax: double (degrees, lon/lat, EPSG:4490), by code."""
        names = ("xmin", "ymin", "xmax", "ymax")
        edges = zip(*(entry.bounds for entry in self._entries.values()), strict=True)
        columns = {name: pa.array(edge, pa.float64()) for name, edge in zip(names, edges, strict=True)}
        return pa.table({"code": pa.array(list(self._entries), pa.string()), **columns})
