"""What has been sent so far, and the segments of it."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from federation.execution.member import MemberStream
from guotu.model.answer import Segment
from guotu.model.digest import SegmentDigest


class Tally:
    """Counts rows and bytes; digests rows that are of several datasets or cut short here."""

    def __init__(self) -> None:
        self.rows = 0
        self.size_bytes = 0
        self._merged: SegmentDigest | None = None

    def count(self, batch: pa.RecordBatch) -> None:
        """Count rows that pass through as they came."""
        self.rows += batch.num_rows
        self.size_bytes += batch.nbytes

    def digest(self, batch: pa.RecordBatch) -> None:
        """Count and digest rows that were merged here."""
        self.count(batch)
        if self._merged is None:
            self._merged = SegmentDigest(batch.schema)
        self._merged.update(batch)

    def segments(self, streams: Iterable[MemberStream], merged_schema: pa.Schema | None) -> tuple[Segment, ...]:
        """Return the segments sent: one if merged here (`merged_schema` is given), else those of the members."""
        if merged_schema is not None:
            digest = self._merged or SegmentDigest(merged_schema)
            return (Segment("", 0, digest.rows, digest.digest()),)
        trailers = (stream.result().trailer for stream in streams)
        return tuple(segment for trailer in trailers if trailer for segment in trailer.segments)
