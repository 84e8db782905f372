"""An edit as a province hands it in: patches that are reclassified, shrink, are split, and are no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from shapely.geometry.base import BaseGeometry

from demo.geofile import write_geofile
from demo.owners import Part
from guotu.model.area import official_area_m2

EDITOR = "520000"
"""The province that edits."""
_URBAN = {"igbp": 13, "igbp_name": "城镇建成区"}
_MOSAIC, _SAVANNA, _GRASSLAND = 14, 9, 10
"""IGBP classes 耕地与自然植被镶嵌, 稀树草原 and 草地."""
_RECLASSIFIED, _SPLIT = 4, 2
_HALF, _TENTH = 0.5, 0.9
Row = Mapping[str, Any]
"""A patch by column; `geometry` as a shape, EPSG:4490 lon/lat."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What changed of one dataset, and the files that say so."""

    dataset: str
    changes: Path
    """GeoParquet: new states, with the column `_op`."""
    deletes: Path
    """CSV: keys of patches that are no more."""
    before: Mapping[str, Row]
    """Patches that were updated or deleted, as they were, by key."""
    after: Mapping[str, Row]
    """Patches that were inserted or updated, as they are, by key."""

    @property
    def updated(self) -> set[str]:
        """Return the keys of updated patches."""
        return set(self.before) & set(self.after)

    @property
    def inserted(self) -> set[str]:
        """Return the keys of inserted patches."""
        return set(self.after) - set(self.before)

    @property
    def deleted(self) -> set[str]:
        """Return the keys of deleted patches."""
        return set(self.before) - set(self.after)

    @property
    def count(self) -> int:
        """Return how many patches changed."""
        return len({*self.before, *self.after})


def make_edit(part: Part, folder: Path) -> Edit:
    """Edit what a node owns of the land cover, and write the edit to `folder`; the same file gives the same edit.

    Four patches become built-up area, one loses its eastern tenth to a new built-up patch, two are split into halves
    under new keys, and the old ones are deleted.
    """
    table = pq.read_table(part.path)
    rows = sorted(_rows(table), key=lambda row: (-row["area_m2"], row["bsm"]))
    urban = _of_class(rows, _MOSAIC)[:_RECLASSIFIED]
    whole = [row for row in _of_class(rows, _SAVANNA) if _pieces(row, _HALF)][:_SPLIT]
    shrinking = next(row for row in _of_class(rows, _GRASSLAND) if _pieces(row, _TENTH))
    kept, lost = _pieces(shrinking, _TENTH)
    halves = [{**row, "geometry": half} for row in whole for half in _pieces(row, _HALF)]
    new = _with_new_keys([{**shrinking, **_URBAN, "geometry": lost}, *halves])
    updates = [{**row, **_URBAN} for row in urban] + [_measured({**shrinking, "geometry": kept})]
    after = {row["bsm"]: row for row in [*updates, *map(_measured, new)]}
    before = {row["bsm"]: row for row in [*urban, shrinking, *whole]}
    edit = Edit(part.dataset, folder / "changes.parquet", folder / "deletes.csv", before, after)
    _write(edit, table.schema)
    return edit


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    plain = table.drop_columns(["bbox"]).to_pylist()
    return [
        {**row, "area_m2": Decimal(repr(row["area_m2"])), "geometry": shapely.from_wkb(row["geometry"])}
        for row in plain
    ]


def _of_class(rows: Sequence[dict[str, Any]], igbp: int) -> list[dict[str, Any]]:
    return [row for row in rows if row["igbp"] == igbp]


def _pieces(row: Row, share: float) -> tuple[BaseGeometry, ...]:
    """Cut a patch from north to south at a share of its width; empty if that does not give two simple pieces."""
    shape = row["geometry"]
    xmin, ymin, xmax, ymax = shape.bounds
    cut = round(xmin + (xmax - xmin) * share, 6)
    pieces = tuple(shape.intersection(shapely.box(*box)) for box in ((xmin, ymin, cut, ymax), (cut, ymin, xmax, ymax)))
    return pieces if all(piece.geom_type == "Polygon" and not piece.is_empty for piece in pieces) else ()


def _with_new_keys(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [{**row, "bsm": f"{row['adcode']}{90_000_001 + number}"} for number, row in enumerate(rows)]


def _measured(row: Row) -> dict[str, Any]:
    """Return a patch with the ellipsoidal area of its shape, square metres with one decimal."""
    (area,) = official_area_m2(np.asarray([row["geometry"]], dtype=object))
    return {**row, "area_m2": Decimal(f"{area:.1f}")}


def _write(edit: Edit, schema: pa.Schema) -> None:
    shapes = [row["geometry"] for row in edit.after.values()]
    edges = ("xmin", "ymin", "xmax", "ymax")
    plain = [
        {
            **row,
            "area_m2": float(row["area_m2"]),
            "geometry": shapely.to_wkb(shape),
            "bbox": dict(zip(edges, shape.bounds, strict=True)),
        }
        for row, shape in zip(edit.after.values(), shapes, strict=True)
    ]
    table = pa.Table.from_pylist(plain, schema)
    ops = ["update" if key in edit.updated else "insert" for key in edit.after]
    write_geofile(table.append_column("_op", pa.array(ops)), edit.changes, "bsm")
    edit.deletes.write_text("\n".join(["bsm", *sorted(edit.deleted)]) + "\n", encoding="utf-8")
