"""GeoPackage: one layer with the rows, and a table "guotu" with what the answer says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyogrio.raw import write_arrow

from node.cli.formats.gdal import read_layer, write_layer
from node.cli.rows import Rows

ACCOUNT_LAYER = "guotu"
_ROW_NUMBER, _SHAPE = "fid", "geom"
"""Columns of the layer that GDAL adds."""


def write(rows: Rows, path: Path) -> None:
    """Write all rows to a new file."""
    names = {name.lower() for name in rows.schema.names}
    own = {"FID": _free(_ROW_NUMBER, names), "GEOMETRY_NAME": _free(_SHAPE, names)}
    write_layer(rows, path, "GPKG", rows.layer, **own)
    values = {key: json.dumps(value, ensure_ascii=False) for key, value in rows.saved_account().items()}
    table = pa.table({"key": list(values), "value": list(values.values())})
    write_arrow(table, path, layer=ACCOUNT_LAYER, driver="GPKG")


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no field has; a field of the row number's name would be lost."""
    while name in taken:
        name += "_"
    return name


def read(path: Path, schema: pa.Schema, layer: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that was written here.

    Raises: as `node.cli.formats.Format.read`.
    """
    return read_layer(path, schema, layer)
