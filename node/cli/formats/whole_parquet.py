"""Parquet that is whole, or cannot be read: its footer is written only where nothing failed before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from io import RawIOBase
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet

_GROUP_ROWS = 50_000


def write_parquet(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, target: IO[bytes], metadata: Callable[[], Mapping[str, str]]
) -> None:
    """Write batches to a binary stream as they come, zstd, in row groups of about 50,000 rows.

    Args:
        batches: of the schema.
        schema: Arrow schema of the file.
        target: where it goes; not closed.
        metadata: the file's own keys, asked for once all batches were read.

    Raises: as the iteration of `batches`, and `metadata`; what was written is no Parquet then.
    """
    sink = _Sink(target)
    with pa.parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        try:
            for table in _row_groups(batches, schema):
                writer.write_table(table)
            writer.add_key_value_metadata(dict(metadata()))
        except BaseException:
            sink.is_open = False
            raise


class _Sink(RawIOBase):
    """Hands bytes on until something fails: the footer that then follows would make half of it look whole."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self.is_open = True

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.is_open:
            self._target.write(data)
        return len(data)


def _row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterable[pa.Table]:
    pending: list[pa.RecordBatch] = []
    held = 0
    for batch in batches:
        pending.append(batch)
        held += batch.num_rows
        if held >= _GROUP_ROWS:
            yield pa.Table.from_batches(pending, schema)
            pending, held = [], 0
    if pending:
        yield pa.Table.from_batches(pending, schema)
