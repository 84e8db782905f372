"""The rows of a saved answer, read back to what they were and hashed again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import shapely

from guotu.model.collection import GEOMETRY
from guotu.model.crs import geometry_field
from guotu.model.digest import SegmentDigest
from node.cli.formats import FORMATS, Format, saved_format
from node.cli.formats.columns import schema_of
from node.cli.formats.row_order import in_order
from node.cli.saved_receipt import SavedReceipt
from node.cli.wording import count

_PARQUET = b"PAR1"
_UNREADABLE = (pa.ArrowException, OSError, ValueError, shapely.errors.GEOSException)
Run = tuple[int, bytes]
"""Rows, and their digest; an empty one for rows that no digest covers."""
Finding = tuple[bool | None, str]
"""Whether the rows give the digests that were signed (None: it cannot be told), and what to say of it."""


def proven_rows(saved: SavedReceipt) -> Finding:
    """Return what is found of the rows.

    Raises:
        KeyError, TypeError, ValueError: the statement is none of ours.
    """
    runs = _runs(saved)
    form = FORMATS["parquet"] if _is_parquet(saved.file) else saved_format(str(saved.account.get("form")))
    if form is None:
        told = (
            "文件未记其格式与列型，可重新保存为任一格式 the file does not tell its form and the types of its columns; "
            "save the answer again"
        )
        return None, told
    try:
        schema = _schema(form, saved)
        batches = form.read(saved.file, schema, str(saved.account["collection"]))
        if "order" in saved.account:
            batches = in_order(list(batches), saved.account["order"])
        return _compare(schema, _Batches(batches), runs, _not_kept(form, saved))
    except _UNREADABLE as failure:
        return False, f"读不回 cannot be read back: {failure}"


def _schema(form: Format, saved: SavedReceipt) -> pa.Schema:
    """Return the columns of the rows, the geometry in the CRS that was asked for."""
    schema = pa.parquet.read_schema(saved.file) if form.exact else schema_of(saved.account["columns"])
    crs = saved.said["question"].get("crs")
    if not crs or GEOMETRY not in schema.names:
        return schema
    return schema.set(schema.get_field_index(GEOMETRY), geometry_field(GEOMETRY, crs))


def _not_kept(form: Format, saved: SavedReceipt) -> str:
    """Return what to say of values that the form does not keep; empty if it keeps all."""
    lost = saved.account.get("lost")
    if not lost:
        return ""
    cells = ", ".join(f"{name}: {number}" for name, number in lost.items())
    return (
        f"{form.name} 存不下一些值，行不可证，请存为 Parquet {form.name} does not keep some values: not proven; "
        f"save as Parquet ({cells})"
    )


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


def _compare(schema: pa.Schema, batches: _Batches, runs: list[Run], not_kept: str) -> Finding:
    total, covered = sum(rows for rows, _ in runs), sum(rows for rows, digest in runs if digest)
    same = True
    for rows, digest in runs:
        running = SegmentDigest(schema)
        for part in batches.take(rows):
            running.update(part)
        same = same and digest in (b"", running.digest())
    held = batches.count()
    if held != total:
        has, signed = count(held), count(total)
        return False, f"文件有 {has} 行，签名为 {signed} 行 the file has {has} rows, {signed} were signed"
    if not same:
        return (None, not_kept) if not_kept else (False, "逐行重算的摘要不符 the rows give another digest")
    if covered < total:
        told = f"{count(total - covered)} 行出自中断的成员，不可证 rows are of members that were cut short: not proven"
        return None, told
    return True, f"{count(total)} 行逐行重算，摘要相符 rows were hashed again and give the digest"


class _Batches:
    """Batches cut where runs end."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._left: pa.RecordBatch | None = None
        self._taken = 0

    def take(self, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the next rows, so many of them; fewer if there are no more."""
        while rows:
            batch = self._left if self._left is not None else next(self._batches, None)
            if batch is None:
                return
            part = batch.slice(0, min(rows, batch.num_rows))  # a statement may name more than Arrow can count
            rows -= part.num_rows
            self._taken += int(part.num_rows)
            rest = batch.slice(part.num_rows)
            self._left = rest if rest.num_rows else None
            yield part

    def count(self) -> int:
        """Return the rows of all batches; reads them to the end."""
        left = 0 if self._left is None else int(self._left.num_rows)
        return self._taken + left + sum(int(batch.num_rows) for batch in self._batches)
