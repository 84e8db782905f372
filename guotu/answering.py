"""Answers as clients read them: once, in frames, with memory flat or all at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from guotu.model.answer import Batch, Completeness, Frame, Header, Notice, Receipt, Trailer
from guotu.model.errors import IncompleteAnswer, InvalidQuestion, NobodyAnswered
from guotu.model.plan import Plan

if TYPE_CHECKING:
    import geopandas

PARTIAL = "guotu_partial"
"""Key by which what is made of a partial answer says that it is one."""


class Answer:
    """One answer, read once: as batches, a reader, a table or a GeoDataFrame.

    `header` is there at once; `trailer`, `completeness`, `digest`, `next_page` and `receipt` once all rows were read
    (asking for them reads on). A partial answer has `completeness.complete` False and names who is missing.

    Raises (while reading):
        IncompleteAnswer: REQUIRE_ALL and a member is missing; its `completeness` tells who.
        NobodyAnswered: not one member answered.
        DeadlineExceeded, NodeUnavailable, InvalidQuestion, InvalidFilter, ...: see guotu.model.errors.
    """

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self._trailer: Trailer | None = None
        self._pending: list[Batch] = []
        self.warnings: list[Notice] = []
        self.header = self._read_header()

    def _read_header(self) -> Header:
        for frame in self._frames:
            if isinstance(frame, Header):
                return frame
            self._note(frame)
        raise InvalidQuestion(part="answer", detail="the node ended it before its header")

    def _note(self, frame: Frame) -> None:
        if isinstance(frame, Notice):
            self.warnings.append(frame)
        elif isinstance(frame, Trailer):
            self._trailer = frame

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the rows; geometry is GeoArrow WKB."""
        return self.header.schema

    @property
    def cut(self) -> Mapping[str, int]:
        """Versions that the answer is computed from, by dataset id."""
        return self.header.cut

    @property
    def plan(self) -> Plan:
        """How the node answers."""
        return self.header.plan

    def batches(self) -> Iterator[Batch]:
        """Yield the rows with the dataset that they are of; each can be read once, memory stays flat."""
        yield from self._pending
        self._pending = []
        try:
            for frame in self._frames:
                if isinstance(frame, Batch):
                    yield frame
                else:
                    self._note(frame)
        except (IncompleteAnswer, NobodyAnswered) as failure:
            failure.completeness = self._trailer.completeness if self._trailer else None
            raise

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as record batches."""
        return (batch.rows for batch in self.batches())

    def reader(self) -> pa.RecordBatchReader:
        """Return a reader over the rows; memory stays flat."""
        return pa.RecordBatchReader.from_batches(self.schema, iter(self))

    def table(self) -> pa.Table:
        """Return all rows of members that answered in full; rows of a member lost half-way are left out.

        The schema of a partial answer has the key PARTIAL, with who is missing and why.
        """
        batches = list(self.batches())
        cut_short = {member.dataset for member in self.completeness.members if member.truncated}
        table = pa.Table.from_batches((b.rows for b in batches if b.dataset not in cut_short), self.schema)
        return table if self.completeness.complete else table.replace_schema_metadata({PARTIAL: self._missing})

    @property
    def _missing(self) -> str:
        return self.completeness.missing_sentence()

    def geodataframe(self) -> geopandas.GeoDataFrame:
        """Return all rows as a GeoDataFrame (needs geopandas); that of a partial answer has PARTIAL among its attrs."""
        import geopandas

        frame = geopandas.GeoDataFrame.from_arrow(self.table())
        if not self.completeness.complete:
            frame.attrs[PARTIAL] = self._missing
        return frame

    @property
    def trailer(self) -> Trailer:
        """Last frame; reads the rest of the answer and keeps its rows for `batches()`."""
        if self._trailer is None:
            self._pending = list(self.batches())
        if self._trailer is None:
            raise InvalidQuestion(part="answer", detail="the node ended it without its trailer")
        return self._trailer

    @property
    def completeness(self) -> Completeness:
        """Outcomes of all members expected."""
        return self.trailer.completeness

    @property
    def digest(self) -> bytes:
        """Result digest: the same question on the same cut gives the same 32 bytes."""
        return self.trailer.digest

    @property
    def next_page(self) -> str:
        """Token of the next page; empty if this is the last one, or no page."""
        return self.trailer.next_page

    @property
    def receipt(self) -> Receipt | None:
        """The answering node's signed word on the answer; None from a node that gives none.

        An answer that was put together from several has those of its parts: `trailer.whole`.
        """
        return self.trailer.receipt

    def close(self) -> None:
        """Stop reading; the question is cancelled at every node."""
        close = getattr(self._frames, "close", None)
        if close is not None:
            close()
