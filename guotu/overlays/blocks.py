"""Rows that are put aside, in memory while they are few, else on a disk."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import pyarrow as pa

from guotu.model.disk import store_failure
from guotu.model.errors import DiskFull, TooLarge

MOST_BYTES = 16 << 30
"""Bytes that one question may put aside: some 200 million groups."""
_MEMORY_BYTES = 32 << 20
_SPARE_BYTES = 256 << 20
"""Room on the disk that is left to others."""


class Block(NamedTuple):
    """A place in the file."""

    start: int
    size: int


class Blocks:
    """A file of record batches without a name: once it is closed, or its process dies, its room is free again."""

    def __init__(self, schema: pa.Schema, folder: Path | None, place: str) -> None:
        """Take the columns of the rows, the folder (None: that of temporary files), and what it is called when full."""
        self.schema = schema
        self._folder = str(folder or tempfile.gettempdir())
        self._place = place
        self._file = tempfile.SpooledTemporaryFile(_MEMORY_BYTES, dir=self._folder)  # noqa: SIM115
        self._size = 0
        self._lock = Lock()

    def put(self, rows: pa.RecordBatch) -> Block:
        """Put rows aside; from any thread.

        Raises:
            TooLarge: more than MOST_BYTES.
            DiskFull: there is no room, or hardly any would be left.
            StoreFailure: the disk failed.
            ValueError: it is closed.
        """
        data = rows.serialize()
        with self._lock:
            if self._size + data.size > MOST_BYTES:
                raise TooLarge(what="groups", size=f"> {MOST_BYTES >> 20} MiB", limit=f"{MOST_BYTES >> 20} MiB")
            try:
                self._require_room(data.size)
                self._file.seek(self._size)
                self._file.write(data)
                self._file.flush()
            except OSError as failure:
                raise store_failure(self._place, failure) from failure
            block = Block(self._size, data.size)
            self._size += data.size
        return block

    def get(self, block: Block) -> pa.RecordBatch:
        """Return rows that were put aside; from any thread.

        Raises:
            StoreFailure: the disk failed.
            ValueError: it is closed.
        """
        try:
            with self._lock:
                self._file.seek(block.start)
                data = self._file.read(block.size)
        except OSError as failure:
            raise store_failure(self._place, failure) from failure
        return pa.ipc.read_record_batch(pa.py_buffer(data), self.schema)

    def close(self) -> None:
        """Let go of all of it; a thread that still puts rows aside is stopped by that."""
        with self._lock, suppress(OSError):  # what was not written for want of room is written no more
            self._file.close()

    def _require_room(self, size: int) -> None:
        if self._size + size <= _MEMORY_BYTES:
            return
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < size + _SPARE_BYTES:
            raise DiskFull(place=self._place)
