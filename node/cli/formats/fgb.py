"""FlatGeobuf, with its spatial index up to a million rows: GDAL builds the index in memory."""

from __future__ import annotations

from pathlib import Path

from guotu.model.collection import GEOMETRY
from guotu.model.errors import InvalidQuestion
from node.cli.formats.gdal import write_layer
from node.cli.rows import Rows

_INDEXED_ROWS = 1_000_000


def write(rows: Rows, path: Path) -> None:
    """Write all rows to a new file.

    Raises:
        InvalidQuestion: the rows have no geometry.
    """
    if GEOMETRY not in rows.schema.names:
        raise InvalidQuestion(part="--format", detail="fgb 需要几何列 fgb needs the geometry; use parquet or csv")
    index = "YES" if rows.expected_rows <= _INDEXED_ROWS else "NO"
    write_layer(rows, path, "FlatGeobuf", rows.layer, SPATIAL_INDEX=index)
