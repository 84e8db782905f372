"""The groups of an answer's parts, added up again as they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any

import pyarrow as pa

from guotu.model.answer import Segment
from guotu.model.digest import SegmentDigest
from guotu.model.overlay import AREA_TYPE, SHARE
from guotu.model.shares import shared
from guotu.overlays.gathering import Gathering


def sum_of(groups: Iterable[pa.RecordBatch], question: Mapping[str, Any]) -> Segment:
    """Return the segment that the groups of all parts are together, one batch at least; memory stays flat.

    Args:
        groups: in any order; several may be equal.
        question: of the whole, as its document.

    Raises:
        KeyError, TypeError, ValueError, pa.ArrowException: they are no groups of such a question.
        DiskFull, StoreFailure: there is no room for what does not fit into memory.
    """
    parts = iter(groups)
    first = next(parts)
    with closing(Gathering(first.schema, None, "临时目录 the folder of temporary files")) as gathering:
        gathering.add(pa.Table.from_batches([first]))
        for batch in parts:
            gathering.add(pa.Table.from_batches([batch]).cast(first.schema))
        rows = gathering.batches()
        if question.get("shares"):
            return _with_shares(first.schema, rows, question)
        return merged_segment(first.schema, rows)


def _with_shares(schema: pa.Schema, rows: Iterator[pa.RecordBatch], question: Mapping[str, Any]) -> Segment:
    zones, whole = question["zones"], schema.append(pa.field(SHARE, pa.float64()))
    names = pa.array(zones["names"], pa.string())
    own = pa.array(zones["area_m2"], pa.string()).cast(AREA_TYPE)
    groups = shared(pa.Table.from_batches(rows, schema), names, own, not question["group_by"], whole)
    return merged_segment(whole, groups.to_batches())


def merged_segment(schema: pa.Schema, rows: Iterable[pa.RecordBatch]) -> Segment:
    """Return the one segment of rows that were merged from several datasets."""
    digest = SegmentDigest(schema)
    for batch in rows:
        digest.update(batch)
    return Segment("", 0, digest.rows, digest.digest())
