"""The ports to objects of versions: those that are kept here, and those that others hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol


class ObjectStore(Protocol):
    """Named immutable bytes, and small mutable heads. Adapters pass tests/contract/test_object_store.py."""

    async def put_file(self, key: str, source: Path) -> None:
        """Store a file's bytes under `key`; a key that exists is left alone. Durable on return."""

    async def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store bytes unless the key exists; tells whether it was stored. Durable on return."""

    async def put_if_match(self, key: str, data: bytes, etag: str | None) -> bool:
        """Replace the value whose etag is `etag` (None: no value yet); tells whether it did. Durable on return."""

    async def get(self, key: str) -> tuple[bytes, str] | None:
        """Return (bytes, etag); None if there is no such key."""

    async def local_path(self, key: str) -> Path | None:
        """Return a path where the object can be read; None if there is no such key."""

    async def keys(self, prefix: str) -> list[str]:
        """List keys that begin with `prefix`, sorted."""

    async def delete(self, key: str) -> None:
        """Remove a key; nothing if there is none."""


class Holder(Protocol):
    """A node that holds objects of versions, as a replicating node sees it."""

    async def manifest(self, address: str, dataset: str, name: str, timeout: float) -> tuple[bytes, bytes]:
        """Return (manifest, signature) of a manifest by its name (SHA-256, hex), byte for byte, not yet checked."""

    async def definition(self, address: str, digest: str, timeout: float) -> bytes:
        """Return a collection's definition (canonical JSON) by its definition hash, not yet checked."""

    def read_object(self, address: str, sha256: str, offset: int, length: int, timeout: float) -> AsyncIterator[bytes]:
        """Stream bytes of an object, `length` from `offset` on, not yet checked; `timeout` in seconds between parts."""
