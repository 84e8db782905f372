"""What is sent to an object store: bytes at hand, or a part of a file that is read as it goes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_BLOCK_BYTES = 1 << 20


class Content(Protocol):
    """Bytes that can be read more than once."""

    @property
    def length(self) -> int:
        """Return how many bytes there are."""

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes, from the first."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes at hand."""

    data: bytes

    @property
    def length(self) -> int:
        """Return how many bytes there are."""
        return len(self.data)

    def blocks(self) -> Iterator[bytes]:
        """Yield them at once."""
        yield self.data


@dataclass(frozen=True, slots=True)
class FilePart:
    """`length` bytes of a file from `offset` on."""

    path: Path
    offset: int
    length: int

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes, at most 1 MiB at once.

        Raises:
            OSError: the file cannot be read, or is shorter than it was.
        """
        with self.path.open("rb") as file:
            file.seek(self.offset)
            left = self.length
            while left:
                block = file.read(min(left, _BLOCK_BYTES))
                if not block:
                    raise OSError(f"{self.path.name} became shorter while it was read")
                left -= len(block)
                yield block


def whole(path: Path) -> FilePart:
    """Return all of a file.

    Raises:
        OSError: there is no such file.
    """
    return FilePart(path, 0, path.stat().st_size)


def parts_of(file: FilePart, part_bytes: int) -> Iterator[FilePart]:
    """Yield a file in parts of `part_bytes`, the last one shorter."""
    for start in range(0, file.length, part_bytes):
        yield FilePart(file.path, file.offset + start, min(part_bytes, file.length - start))


def content_md5(content: Content) -> str:
    """Return the header Content-MD5 (RFC 1864), by which the server notices bytes that changed on their way."""
    digest = hashlib.md5(usedforsecurity=False)
    for block in content.blocks():
        digest.update(block)
    return base64.b64encode(digest.digest()).decode("ascii")
