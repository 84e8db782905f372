"""The bytes around the entries of a package: a ZIP archive in one possible form, so that each byte can be checked.

Source: PKWARE APPNOTE.TXT 6.3.10, "Overall .ZIP file format" (4.3) and "ZIP64 extended information" (4.5.3). Entries
are stored, names are ASCII, times are 1980-01-01 00:00, and sizes and places always stand in ZIP64 records.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_SIZES = struct.Struct("<HHQQ")
_SIZES_AND_PLACE = struct.Struct("<HHQQQ")
_END64 = struct.Struct("<IQHHIIQQQQ")
_LOCATOR = struct.Struct("<IIQI")
_END = struct.Struct("<IHHHHIIH")
_LOCAL_MARK, _CENTRAL_MARK, _END64_MARK, _LOCATOR_MARK, _END_MARK = (
    0x04034B50, 0x02014B50, 0x06064B50, 0x07064B50, 0x06054B50,
)  # fmt: skip
_NEEDED = 45
"""Version 4.5 of the format: ZIP64."""
_MADE_BY = 3 << 8 | _NEEDED
"""UNIX."""
_DAY = 1 << 5 | 1
"""1980-01-01, the first day there is."""
_MODE = 0o100644 << 16
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
"""Says that the value stands in the ZIP64 record."""
CRC_PLACE = 14
"""Where the CRC-32 stands in a local header."""


@dataclass(frozen=True, slots=True)
class Member:
    """An entry as the archive sees it."""

    name: str
    """ASCII."""
    size_bytes: int
    crc32: int = 0


def local_header(member: Member) -> bytes:
    """Return what stands before the bytes of an entry."""
    name, size = member.name.encode("ascii"), member.size_bytes
    fixed = _LOCAL.pack(
        _LOCAL_MARK, _NEEDED, 0, 0, 0, _DAY, member.crc32, _FULL32, _FULL32, len(name), _SIZES.size
    )  # fmt: skip
    return fixed + name + _SIZES.pack(1, _SIZES.size - 4, size, size)


def header_size(name: str) -> int:
    """Return the size of an entry's local header."""
    return _LOCAL.size + len(name) + _SIZES.size


def size_in(header: bytes, name: str) -> int:
    """Return the size of an entry that its local header tells; the header may be damaged."""
    return int(_SIZES.unpack_from(header, _LOCAL.size + len(name))[2])


def crc_in(header: bytes) -> int:
    """Return the CRC-32 that a local header tells; the header may be damaged."""
    return int.from_bytes(header[CRC_PLACE : CRC_PLACE + 4], "little")


def ending_size(names: Iterable[str]) -> int:
    """Return the size of what follows the last entry."""
    directory = sum(_CENTRAL.size + len(name) + _SIZES_AND_PLACE.size for name in names)
    return directory + _END64.size + _LOCATOR.size + _END.size


def ending(members: Sequence[Member]) -> bytes:
    """Return what follows the last entry: the central directory and the records that lead to it."""
    entries, place = [], 0
    for member in members:
        entries.append(_central(member, place))
        place += header_size(member.name) + member.size_bytes
    directory = b"".join(entries)
    count, size = len(members), len(directory)
    end64 = _END64.pack(_END64_MARK, _END64.size - 12, _MADE_BY, _NEEDED, 0, 0, count, count, size, place)
    locator = _LOCATOR.pack(_LOCATOR_MARK, 0, place + size, 1)
    return directory + end64 + locator + _END.pack(_END_MARK, 0, 0, _FULL16, _FULL16, _FULL32, _FULL32, 0)


def _central(member: Member, place: int) -> bytes:
    name, size = member.name.encode("ascii"), member.size_bytes
    extra = _SIZES_AND_PLACE.pack(1, _SIZES_AND_PLACE.size - 4, size, size, place)
    fixed = _CENTRAL.pack(
        _CENTRAL_MARK, _MADE_BY, _NEEDED, 0, 0, 0, _DAY, member.crc32, _FULL32, _FULL32,
        len(name), len(extra), 0, 0, 0, _MODE, _FULL32,
    )  # fmt: skip
    return fixed + name + extra
