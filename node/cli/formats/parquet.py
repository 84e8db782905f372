"""GeoParquet 1.1: zstd, geometry as WKB; what the answer says of itself is the file's key "guotu"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet

from guotu.model.collection import GEOMETRY
from node.cli.formats.crs_of import geometry_crs, require_crs
from node.cli.formats.whole_parquet import write_parquet
from node.cli.rows import Rows

_BATCH_ROWS = 16_384


def write(rows: Rows, target: IO[bytes]) -> None:
    """Write all rows to a binary stream."""
    write_parquet(rows, rows.schema, target, lambda: _metadata(rows))


def read(path: Path, schema: pa.Schema, layer: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that was written here.

    Raises: as `node.cli.formats.Format.read`.
    """
    with pa.parquet.ParquetFile(path) as file:
        metadata = file.metadata.metadata or {}
        if b"geo" in metadata:
            require_crs(json.loads(metadata[b"geo"])["columns"][GEOMETRY].get("crs"), schema)
        yield from file.iter_batches(_BATCH_ROWS)


def _metadata(rows: Rows) -> dict[str, str]:
    metadata = {"guotu": json.dumps(rows.saved_account(), ensure_ascii=False)}
    if GEOMETRY in rows.schema.names:
        column: dict[str, Any] = {"encoding": "WKB", "geometry_types": [], "crs": geometry_crs(rows.schema)}
        geo = {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
        metadata["geo"] = json.dumps(geo, ensure_ascii=False)
    return metadata
