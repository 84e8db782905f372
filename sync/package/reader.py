"""Reading a package: nothing of it is believed before each of its bytes was checked."""

from __future__ import annotations

import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from guotu.model.errors import CorruptObject, InvalidInput
from sync.package.archive import Member, crc_in, ending, ending_size, header_size, local_header, size_in
from sync.package.index import INDEX, MAX_INDEX_BYTES, SIGNATURE, Entry, PackageIndex, parse_index
from sync.package.writer import COPY_BYTES, Advance, refusing

_SIGNATURE_BYTES = 64


class PackageReader:
    """A package that is open. Its methods block; each raises CorruptObject for bytes that are not as they must be."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self.size_bytes = os.fstat(file.fileno()).st_size
        self.index_bytes = self._entry_at(0, Member(INDEX, self._index_size()))
        self.index: PackageIndex = parse_index(self.index_bytes)
        place = header_size(INDEX) + len(self.index_bytes)
        self.signature = self._entry_at(place, Member(SIGNATURE, _SIGNATURE_BYTES))
        members = self.index.members(self.index_bytes, self.signature)
        self._places: dict[str, tuple[int, Member]] = {}
        end = 0
        for member in members:
            self._places[member.name] = (end, member)
            end += header_size(member.name) + member.size_bytes
        self._end = end
        self._check_size(end + ending_size(self._places))

    def verify(self, advance: Advance) -> None:
        """Read everything and check it: each entry's SHA-256 and size, and every byte around the entries."""
        crcs = {INDEX: zlib.crc32(self.index_bytes), SIGNATURE: zlib.crc32(self.signature)}
        for entry in self.index.entries:
            crcs[entry.name] = self._verified(entry, advance)
        members = [replace(member, crc32=crcs[name]) for name, (_, member) in self._places.items()]
        if self._read(self._end, self.size_bytes - self._end) != ending(members):
            raise self._corrupt("末尾的目录与各项不符 the directory at its end is not that of its entries")

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an entry that is not an object."""
        place, member = self._places[entry.name]
        data = self._read(place + header_size(member.name), member.size_bytes)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise self._wrong(entry)
        return data

    def extract(self, entry: Entry, target: BinaryIO, advance: Advance) -> None:
        """Copy the bytes of an entry."""
        digest = hashlib.sha256()
        for part in self._parts(entry):
            digest.update(part)
            target.write(part)
            advance(len(part))
        target.flush()
        if digest.hexdigest() != entry.sha256:
            raise self._wrong(entry)

    def _verified(self, entry: Entry, advance: Advance) -> int:
        """Check an entry and its header; returns its CRC-32."""
        digest, crc = hashlib.sha256(), 0
        for part in self._parts(entry):
            digest.update(part)
            crc = zlib.crc32(part, crc)
            advance(len(part))
        if digest.hexdigest() != entry.sha256:
            raise self._wrong(entry)
        place, member = self._places[entry.name]
        self._check_header(place, replace(member, crc32=crc))
        return crc

    def _parts(self, entry: Entry) -> Iterator[bytes]:
        place, member = self._places[entry.name]
        start = place + header_size(member.name)
        end = start + member.size_bytes
        for at in range(start, end, COPY_BYTES):
            yield self._read(at, min(COPY_BYTES, end - at))

    def _index_size(self) -> int:
        """Return the size of the index, which its header tells; it is checked once the index is read."""
        size = size_in(self._read(0, header_size(INDEX)), INDEX)
        if size > MAX_INDEX_BYTES:
            raise self._corrupt(f"不是数据包 it does not begin with {INDEX} of at most {MAX_INDEX_BYTES} bytes")
        return size

    def _entry_at(self, place: int, member: Member) -> bytes:
        """Return the bytes of one of the first two entries, its header checked."""
        data = self._read(place + header_size(member.name), member.size_bytes)
        crc = zlib.crc32(data)
        if crc_in(self._read(place, header_size(member.name))) != crc:
            raise self._corrupt(f"校验不符 {member.name} has another CRC-32 than its header says")
        self._check_header(place, replace(member, crc32=crc))
        return data

    def _check_header(self, place: int, member: Member) -> None:
        if self._read(place, header_size(member.name)) != local_header(member):
            raise self._corrupt(f"项首有误 what stands before {member.name} is not its header")

    def _check_size(self, expected: int) -> None:
        if self.size_bytes < expected:
            raise self._corrupt(f"不完整 cut off: {self.size_bytes} of {expected} bytes")
        if self.size_bytes > expected:
            raise self._corrupt(f"多出 too many bytes: {self.size_bytes - expected}")

    def _read(self, place: int, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                part = os.pread(self._file.fileno(), size - len(data), place + len(data))
            except OSError as failure:  # a scratch on the disk, say
                raise self._corrupt(
                    f"无法读取 unreadable after {place + len(data)} bytes: {failure.strerror}"
                ) from failure
            if not part:
                raise self._corrupt(f"不完整 cut off: it ends after {place + len(data)} bytes")
            data += part
        return data

    def _wrong(self, entry: Entry) -> CorruptObject:
        return self._corrupt(f"摘要不符 {entry.name} has another hash than the index says")

    def _corrupt(self, detail: str) -> CorruptObject:
        return CorruptObject(object=self._name, detail=detail)


@contextmanager
def open_package(path: Path) -> Iterator[PackageReader]:
    """Open a package and read its index; blocks.

    Raises:
        InvalidInput: there is no such file, or it cannot be read.
        CorruptObject: it is not a package, or it was cut off.
    """
    with refusing(path):
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for its writer
            raise InvalidInput(detail=f"{path}: 不是普通文件 not a regular file")
        file = path.open("rb")
    with file:
        yield PackageReader(file, path.name)
