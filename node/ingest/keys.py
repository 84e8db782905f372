"""Finding repeated keys among tens of millions of rows, with memory that stays flat.

The keys go to a temporary file with a 64-bit hash each. At the end the hashes are looked at a part at a time, sorted;
keys are compared themselves only where hashes agree, so that the answer is exact.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from node.ingest.tally import EXAMPLES, shorten

Hashes = NDArray[np.uint64]

ROWS_PER_PART = 4_000_000
_SCHEMA = pa.schema([("hash", pa.uint64()), ("key", pa.string())])
_FIRST_POSITIONS = 64
_GROUPS_BEFORE_MERGE = 1_000_000


class KeyLedger:
    """Takes the keys of a layer batch by batch, then tells which came more than once."""

    def __init__(self, directory: Path | None = None, rows_per_part: int = ROWS_PER_PART) -> None:
        """Keep the keys in a nameless file in `directory` (the system's own if None), gone with this object."""
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - closed by close()
        self._writer = pa.ipc.new_file(pa.PythonFile(self._file, mode="w"), _SCHEMA)
        self._rows_per_part = rows_per_part
        self._rows = 0

    def add(self, keys: pa.Array) -> None:
        """Take the keys of the next rows (string); null never counts as repeated."""
        keys = keys.drop_null() if keys.null_count else keys
        self._writer.write_batch(pa.record_batch([pa.array(hash_texts(keys)), keys], schema=_SCHEMA))
        self._rows += len(keys)

    def repeated(self) -> tuple[int, list[str]]:
        """Return how many rows repeat the key of an earlier one, and the first few such keys; ends the taking."""
        self._writer.close()
        if not self._rows:
            return 0, []
        self._file.flush()
        # Arrow keeps views of the mapping; it goes when the last of them does.
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._count(pa.ipc.open_file(pa.py_buffer(mapped)))

    def close(self) -> None:
        """Give the file up."""
        self._file.close()

    def __enter__(self) -> KeyLedger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _count(self, ledger: pa.RecordBatchFileReader) -> tuple[int, list[str]]:
        parts = -(-self._rows // self._rows_per_part)
        tables = []
        for part in range(parts):
            suspects = _suspects(ledger, part, parts)
            if len(suspects):
                tables.append(_repeats(ledger, suspects))
        if not tables:
            return 0, []
        found = pa.concat_tables(tables).sort_by("row")
        extra = int(pc.sum(found["count"]).as_py() - len(found)) if len(found) else 0
        return extra, [shorten(key) for key in found["key"][:EXAMPLES].to_pylist()]


def hash_texts(texts: pa.Array) -> Hashes:
    """Return a 64-bit hash of each text: its bytes, each multiplied by an odd number of its place, summed and mixed."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4).astype(np.int64)
    lengths = np.diff(offsets)
    hashes: Hashes = lengths.astype(np.uint64)
    data = texts.buffers()[2]
    if data is None or not len(texts) or not lengths.any():
        return _mix(hashes)
    content = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]].astype(np.uint64)
    starts = offsets[:-1] - offsets[0]
    places = np.arange(len(content)) - np.repeat(starts, lengths)
    terms = _mix(content + np.uint64(1)) * _multipliers(int(lengths.max()))[places]
    some = lengths > 0
    hashes[some] += np.add.reduceat(terms, starts[some])
    return _mix(hashes)


def _multipliers(length: int) -> Hashes:
    return _mix(np.arange(1, max(length, _FIRST_POSITIONS) + 1, dtype=np.uint64)) | np.uint64(1)


def _mix(values: Hashes) -> Hashes:
    """Scatter bits over the whole word (the finaliser of SplitMix64, Steele, Lea and Flood 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _batches(ledger: pa.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    return (ledger.get_batch(number) for number in range(ledger.num_record_batches))


def _suspects(ledger: pa.RecordBatchFileReader, part: int, parts: int) -> Hashes:
    """Return the hashes of one part that came more than once."""
    chosen = []
    for batch in _batches(ledger):
        hashes = batch.column("hash").to_numpy()
        chosen.append(hashes[hashes % np.uint64(parts) == part])
    ordered = np.sort(np.concatenate(chosen))
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _repeats(ledger: pa.RecordBatchFileReader, suspects: Hashes) -> pa.Table:
    """Return key, count and first row of each key that came more than once among those of the suspect hashes."""
    groups: list[pa.Table] = []
    rows = 0
    for batch in _batches(ledger):
        hashes = batch.column("hash").to_numpy()
        found = np.searchsorted(suspects, hashes)
        mask = suspects[np.minimum(found, len(suspects) - 1)] == hashes
        row = pa.array(np.flatnonzero(mask) + rows)
        keys = batch.column("key").filter(pa.array(mask))
        groups.append(pa.table({"key": keys, "count": pa.array(np.ones(len(keys), np.int64)), "row": row}))
        rows += len(batch)
        if sum(len(group) for group in groups) > _GROUPS_BEFORE_MERGE:
            groups = [_merged(groups)]
    merged = _merged(groups)
    return merged.filter(pc.greater(merged["count"], 1))


def _merged(groups: list[pa.Table]) -> pa.Table:
    grouped = pa.concat_tables(groups).group_by("key").aggregate([("count", "sum"), ("row", "min")])
    return grouped.rename_columns({"count_sum": "count", "row_min": "row"}).select(["key", "count", "row"])
