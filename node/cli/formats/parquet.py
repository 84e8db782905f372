"""GeoParquet 1.1: zstd, geometry as WKB; what the answer says of itself is the file's key "guotu"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet

from guotu.model.collection import GEOMETRY
from node.cli.formats.crs_of import geometry_crs, require_crs
from node.cli.rows import Rows

_GROUP_ROWS = 50_000
_BATCH_ROWS = 16_384


def write(rows: Rows, target: IO[bytes]) -> None:
    """Write all rows to a binary stream, in row groups of about 50,000 rows."""
    sink = _Sink(target)
    with pa.parquet.ParquetWriter(sink, rows.schema, compression="zstd") as writer:
        try:
            _write_rows(rows, writer)
            writer.add_key_value_metadata(_metadata(rows))
        except BaseException:
            sink.is_open = False
            raise


class _Sink(RawIOBase):
    """Hands bytes on until the answer fails: the footer that then follows would make half an answer look whole."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self.is_open = True

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.is_open:
            self._target.write(data)
        return len(data)


def _write_rows(rows: Rows, writer: pa.parquet.ParquetWriter) -> None:
    pending: list[pa.RecordBatch] = []
    held = 0
    for batch in rows:
        pending.append(batch)
        held += batch.num_rows
        if held >= _GROUP_ROWS:
            _flush(writer, pending, rows.schema)
            held = 0
    _flush(writer, pending, rows.schema)


def read(path: Path, schema: pa.Schema, layer: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that was written here.

    Raises: as `node.cli.formats.Format.read`.
    """
    with pa.parquet.ParquetFile(path) as file:
        metadata = file.metadata.metadata or {}
        if b"geo" in metadata:
            require_crs(json.loads(metadata[b"geo"])["columns"][GEOMETRY].get("crs"), schema)
        yield from file.iter_batches(_BATCH_ROWS)


def _flush(writer: pa.parquet.ParquetWriter, pending: list[pa.RecordBatch], schema: pa.Schema) -> None:
    if pending:
        writer.write_table(pa.Table.from_batches(pending, schema))
        pending.clear()


def _metadata(rows: Rows) -> dict[str, str]:
    metadata = {"guotu": json.dumps(rows.saved_account(), ensure_ascii=False)}
    if GEOMETRY in rows.schema.names:
        column: dict[str, Any] = {"encoding": "WKB", "geometry_types": [], "crs": geometry_crs(rows.schema)}
        geo = {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
        metadata["geo"] = json.dumps(geo, ensure_ascii=False)
    return metadata
