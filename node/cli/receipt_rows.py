"""The rows of a saved answer, hashed again: only Parquet keeps all that the digest covers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from guotu.model.digest import SegmentDigest
from node.cli.formats import format_of
from node.cli.saved_receipt import SavedReceipt
from node.cli.wording import count

_BATCH_ROWS = 16_384
_PARQUET = b"PAR1"
Run = tuple[int, bytes]
"""Rows, and their digest; an empty one for rows that no digest covers."""


def proven_rows(saved: SavedReceipt) -> tuple[bool | None, str]:
    """Return whether the rows give the digests that were signed (None: the form does not tell), and what to say of it.

    Raises:
        KeyError, TypeError, ValueError: the statement is none of ours.
    """
    if not _is_parquet(saved.file):
        form = format_of(saved.file)
        name = "JSON" if form is None else form.name
        return (
            None,
            f"{name} 不保留摘要所涵盖的全部内容，请存为 Parquet {name} does not keep all that the digest covers",
        )
    runs = _runs(saved)
    try:
        with pa.parquet.ParquetFile(saved.file) as file:
            return _compare(file, runs)
    except (pa.ArrowException, OSError) as failure:
        return False, f"读不出 cannot be read: {failure}"


def _is_parquet(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(_PARQUET)) == _PARQUET


def _runs(saved: SavedReceipt) -> list[Run]:
    """Return the runs of rows in the file: segments, and between them rows of members that were cut short."""
    segments = [(item["dataset"], int(item["rows"]), bytes.fromhex(item["digest"])) for item in saved.said["segments"]]
    cut_short = {item["dataset"] for item in saved.said["outcomes"] if item["truncated"]}
    uncovered = [
        (place, int(run["rows"]))
        for place, run in enumerate(saved.account.get("runs", ()))
        if run["dataset"] in cut_short
    ]
    runs = [(rows, digest) for _, rows, digest in segments if rows]
    for place, rows in uncovered:
        runs.insert(place, (rows, b""))
    if any(rows < 0 for rows, _ in runs):
        raise ValueError("rows < 0")
    return runs


def _compare(file: pa.parquet.ParquetFile, runs: list[Run]) -> tuple[bool | None, str]:
    total, covered = sum(rows for rows, _ in runs), sum(rows for rows, digest in runs if digest)
    if file.metadata.num_rows != total:
        held = count(file.metadata.num_rows)
        return False, f"文件有 {held} 行，签名为 {count(total)} 行 the file has {held} rows, {count(total)} were signed"
    batches = _Batches(file.iter_batches(_BATCH_ROWS))
    for rows, digest in runs:
        running = SegmentDigest(file.schema_arrow)
        for part in batches.take(rows):
            running.update(part)
        if digest and running.digest() != digest:
            return False, "逐行重算的摘要不符 the rows give another digest"
    if covered < total:
        told = f"{count(total - covered)} 行出自中断的成员，不可证 rows are of members that were cut short: not proven"
        return None, told
    return True, f"{count(total)} 行逐行重算，摘要相符 rows were hashed again and give the digest"


class _Batches:
    """Batches cut where runs end."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._left: pa.RecordBatch | None = None

    def take(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the next rows, so many of them."""
        while rows:
            batch = self._left if self._left is not None else next(self._batches)
            part = batch.slice(0, rows)
            rows -= part.num_rows
            rest = batch.slice(part.num_rows)
            self._left = rest if rest.num_rows else None
            yield part
