"""What a whole is put together from: the receipts of its parts and, where they are added up, their groups."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from guotu.model.answer import Receipt, SignedPart, Whole

MOST_BYTES = 32 << 20
"""Bytes of all parts' groups together that are kept for proof: the footer of a Parquet file takes no 100 MB."""


class Parts:
    """Collects the parts of one whole."""

    def __init__(self, said: bytes, count: int) -> None:
        """Take what is said of the whole (empty: nobody asked for proof), and how many parts it has."""
        self._said = said
        self._parts: list[SignedPart | None] = [None] * count
        self._unsigned = not said
        self._size: int | None = 0

    def add(
        self,
        number: int,
        signed: Receipt | Whole | None,
        groups: Iterable[pa.RecordBatch] = (),
        schema: pa.Schema | None = None,
    ) -> None:
        """Add a part by what its answer was given with; with a schema its groups, too."""
        if signed is None:
            self._unsigned = True
        if signed is None or self._unsigned:
            return
        self._parts[number] = SignedPart(signed, b"" if schema is None else self._kept(groups, schema))

    def _kept(self, groups: Iterable[pa.RecordBatch], schema: pa.Schema) -> bytes:
        """Return groups as an Arrow IPC stream; nothing, and nothing of other parts any more, if that is too much."""
        if self._size is None:
            return b""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as writer:
            for rows in groups:
                writer.write_batch(rows)
                if self._size + sink.tell() > MOST_BYTES:
                    self._size = None
                    return b""
        self._size += sink.tell()
        data: bytes = sink.getvalue().to_pybytes()
        return data

    def whole(self) -> Whole | None:
        """Return the whole; None where a part has no receipt."""
        if self._unsigned:
            return None
        told = self._parts if self._size is not None else [part and SignedPart(part.signed) for part in self._parts]
        return Whole(self._said, tuple(told))
