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

    def merged(self, schema: pa.Schema) -> tuple[Segment, ...]:
        """Return the one segment of what was merged here, which has this schema."""
        digest = self._merged or SegmentDigest(schema)
        return (Segment("", 0, digest.rows, digest.digest()),)


def segments_of(streams: Iterable[MemberStream]) -> tuple[Segment, ...]:
    """Return the segments that members told of, in their order."""
    trailers = (stream.result().trailer for stream in streams)
    return tuple(segment for trailer in trailers if trailer for segment in trailer.segments)
