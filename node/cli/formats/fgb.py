"""FlatGeobuf, with its spatial index up to a million rows: GDAL builds the index in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from guotu.model.collection import GEOMETRY
from guotu.model.errors import InvalidQuestion
from node.cli.formats.gdal import read_layer, write_layer
from node.cli.rows import Rows

_INDEXED_ROWS = 1_000_000
_ROW_NUMBER = "OGC_FID"
"""Column in which GDAL gives the numbers of rows, and of which it takes them."""


def write(rows: Rows, path: Path) -> None:
    """Write all rows to a new file.

    Raises:
        InvalidQuestion: the rows have no geometry, or a field of the one name that GDAL keeps for itself.
    """
    if GEOMETRY not in rows.schema.names:
        raise InvalidQuestion(part="--format", detail="fgb 需要几何列 fgb needs the geometry; use parquet or csv")
    if _ROW_NUMBER in rows.schema.names:
        detail = f"fgb 写不下字段 cannot hold a field called {_ROW_NUMBER}; use gpkg or parquet"
        raise InvalidQuestion(part="--format", detail=detail)
    indexed = rows.expected_rows <= _INDEXED_ROWS
    if indexed:
        rows.reordered()
    write_layer(rows, path, "FlatGeobuf", rows.layer, SPATIAL_INDEX="YES" if indexed else "NO")


def read(path: Path, schema: pa.Schema, layer: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that was written here, in the order of its index if it has one.

    Raises: as `node.cli.formats.Format.read`.
    """
    return read_layer(path, schema, None)
