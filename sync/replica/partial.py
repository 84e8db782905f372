"""Partial files: an object on its way, whose blocks are checked one by one and survive a crash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from guotu.model.disk import store_failure
from sync.datafile import file_sha256
from sync.manifest import BLOCK_BYTES, ObjectRef

_NAME = "在取的对象 objects on their way (partial/)"


class PartialFile:
    """The blocks of one object that are here. Its methods block; call them in threads, one at a time for a block."""

    def __init__(self, folder: Path, item: ObjectRef) -> None:
        self.path = folder / item.sha256
        self._item = item
        self._have: set[int] = set()

    def resume(self) -> int:
        """Check what an earlier attempt left, block by block; returns the bytes that need not be fetched again.

        Raises:
            StoreFailure: the file system failed.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                if os.fstat(file.fileno()).st_size > self._item.size_bytes:
                    file.truncate(self._item.size_bytes)
                file.seek(0)
                for index, expected in enumerate(self._item.blocks):
                    if _sha256(file.read(self.length(index))) == expected:
                        self._have.add(index)
        except OSError as failure:
            raise store_failure(_NAME, failure) from failure
        return sum(self.length(index) for index in self._have)

    def missing(self) -> list[int]:
        """Return the numbers of the blocks that are not here, ascending."""
        return [index for index in range(len(self._item.blocks)) if index not in self._have]

    def length(self, index: int) -> int:
        """Return the bytes of a block."""
        return min(BLOCK_BYTES, self._item.size_bytes - index * BLOCK_BYTES)

    def put(self, index: int, data: bytes | bytearray) -> bool:
        """Take a block, if it is the right one; tells whether.

        Raises:
            StoreFailure: it cannot be written; the disk may be full. Blocks taken before stay.
        """
        if _sha256(data) != self._item.blocks[index]:
            return False
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                _write_at(descriptor, memoryview(data), index * BLOCK_BYTES)
            finally:
                os.close(descriptor)
        except OSError as failure:
            raise store_failure(_NAME, failure) from failure
        self._have.add(index)
        return True

    def is_whole(self) -> bool:
        """Tell whether all bytes together have the object's hash."""
        return file_sha256(self.path) == self._item.sha256

    def remove(self) -> None:
        """Forget everything."""
        self._have.clear()
        self.path.unlink(missing_ok=True)


def sweep_partial(folder: Path, older_than_s: float, now_s: float) -> int:
    """Remove partial files that nothing was added to for so long; returns how many. `now_s` as `time.time`."""
    if not folder.is_dir():
        return 0
    old = [path for path in folder.iterdir() if path.stat().st_mtime < now_s - older_than_s]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _write_at(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _sha256(data: bytes | bytearray) -> str:
    return hashlib.sha256(data).hexdigest()
