"""Writing a package: whole and durable under its name, or not there at all."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from guotu.model.errors import CorruptObject, InvalidInput
from sync.durable import sync_folder
from sync.package.archive import CRC_PLACE, Member, ending, local_header
from sync.package.index import Entry

COPY_BYTES = 1 << 20
Advance = Callable[[int], None]
"""Told how many more bytes are done."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What file systems without hard links (exFAT on a disk that is carried) answer to one."""


class PackageWriter:
    """A package being written, entry by entry, in the order of its index."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._members: list[Member] = []

    def put(self, name: str, data: bytes) -> None:
        """Write an entry from memory."""
        self._begin(Member(name, len(data), zlib.crc32(data)))
        self._file.write(data)

    def put_file(self, entry: Entry, source: Path, advance: Advance) -> None:
        """Write an entry from a file.

        Raises:
            CorruptObject: the file is not what the entry says.
        """
        place = self._file.tell()
        self._begin(Member(entry.name, entry.size_bytes))
        digest, crc, size = hashlib.sha256(), 0, 0
        with source.open("rb") as content:
            while part := content.read(COPY_BYTES):
                self._file.write(part)
                digest.update(part)
                crc, size = zlib.crc32(part, crc), size + len(part)
                advance(len(part))
        if (digest.hexdigest(), size) != (entry.sha256, entry.size_bytes):
            raise CorruptObject(object=entry.name, detail="摘要或大小不符 its bytes have another hash or size")
        self._members[-1] = replace(self._members[-1], crc32=crc)
        self._file.seek(place + CRC_PLACE)
        self._file.write(crc.to_bytes(4, "little"))
        self._file.seek(0, os.SEEK_END)

    def finish(self) -> int:
        """Write what follows the entries and bring all of it to the disk; returns the size of the file in bytes."""
        self._file.write(ending(self._members))
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def _begin(self, member: Member) -> None:
        self._members.append(member)
        self._file.write(local_header(member))


@contextmanager
def new_file(target: Path) -> Iterator[BinaryIO]:
    """Open a hidden file beside `target`; it is gone afterwards, unless `name_file` named it or the process died.

    What a process that died left there is taken over by the next one that writes to that name.

    Raises:
        InvalidInput: there is a file of that name, someone else is writing it, or the folder cannot be written.
    """
    if os.path.lexists(target):
        raise _exists(target)
    draft = target.with_name(f".{target.name}.part")
    with refusing(target):
        file = _open_locked(draft, target)
        try:
            yield file
        finally:
            draft.unlink(missing_ok=True)
            file.close()


def _open_locked(draft: Path, target: Path) -> BinaryIO:
    while True:
        file = open(draft, "r+b", opener=_opened)  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            file.close()
            raise InvalidInput(detail=f"{target}: 正由另一进程写入 someone else is writing it") from busy
        # Whoever had it may have named or removed it between the two calls.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), draft.lstat()):
                file.truncate()
                return file
        file.close()


def _opened(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_CREAT | os.O_NOFOLLOW, 0o644)


def name_file(file: BinaryIO, target: Path) -> None:
    """Give a whole file its name. Durable on return.

    Raises:
        InvalidInput: the name has been taken in the meantime.
    """
    try:
        os.link(file.name, target)
    except FileExistsError as taken:
        raise _exists(target) from taken
    except OSError as failure:
        if failure.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise _exists(target) from failure
        os.rename(file.name, target)
    sync_folder(target.parent)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Tell what the operating system refuses of a package's file as an error of the one who named it."""
    try:
        yield
    except OSError as failure:
        raise InvalidInput(detail=f"{failure.filename or path}: {failure.strerror or failure}") from failure


def _exists(target: Path) -> InvalidInput:
    return InvalidInput(detail=f"{target}: 文件已存在，不覆盖 there is a file already, and it stays")
