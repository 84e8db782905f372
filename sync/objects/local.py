"""Object store in a local directory, for demonstrations and nodes without S3. POSIX file systems only."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from guotu.model.disk import store_failure
from sync.durable import link_new, make_folder, replace, sweep, sync_folder, temporary
from sync.objects.keys import check_key, check_prefix

_TEMPORARY = ".temporary"
_LOCK = ".lock"
_COPY_BYTES = 1 << 20
_NAME = "对象库 object store"
Result = TypeVar("Result")


class LocalObjectStore:
    """One file an object, named by its key. Several processes may share a directory.

    A value appears by link or rename of a file that is already whole, so nobody ever reads half of one. Every
    operation raises ValueError for what cannot be a key, and StoreFailure if the file system fails.
    """

    def __init__(self, root: Path) -> None:
        """Open a directory, made if it is not there; what writers that died left is removed.

        Raises:
            StoreFailure: the directory cannot be used.
        """
        self._root = root
        self._temporary = root / _TEMPORARY
        try:
            make_folder(self._temporary)
            sweep(self._temporary)
        except OSError as error:
            raise store_failure(_NAME, error) from error

    async def put_file(self, key: str, source: Path) -> None:
        """Store a file's bytes under `key`; a key that exists is left alone. Durable on return."""
        await self._run(self._put_file, self._path(key), source)

    async def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store bytes unless the key exists; tells whether it was stored. Durable on return."""
        return await self._run(self._put_new, self._path(key), data)

    async def put_if_match(self, key: str, data: bytes, etag: str | None) -> bool:
        """Replace the value whose etag is `etag` (None: no value yet); tells whether it did. Durable on return."""
        path = self._path(key)
        if etag is None:
            return await self._run(self._put_new, path, data)
        return await self._run(self._swap, path, data, etag)

    async def get(self, key: str) -> tuple[bytes, str] | None:
        """Return (bytes, etag); None if there is no such key. The etag is the SHA-256 of the bytes, hex."""
        data = await self._run(_read, self._path(key))
        return None if data is None else (data, _etag(data))

    async def local_path(self, key: str) -> Path | None:
        """Return a path where the object can be read; None if there is no such key."""
        path = self._path(key)
        return path if await self._run(path.is_file) else None

    async def keys(self, prefix: str) -> list[str]:
        """List keys that begin with `prefix`, sorted."""
        return await self._run(self._list, check_prefix(prefix))

    async def delete(self, key: str) -> None:
        """Remove a key; nothing if there is none. Durable on return."""
        await self._run(self._delete, self._path(key))

    async def _run(self, work: Callable[..., Result], *args: object) -> Result:
        """Work on files in a thread."""
        try:
            return await asyncio.to_thread(work, *args)
        except OSError as error:
            raise store_failure(_NAME, error) from error

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _put_file(self, path: Path, source: Path) -> None:
        if path.exists():
            sync_folder(path.parent)
            return
        with temporary(self._temporary) as target, source.open("rb") as content:
            shutil.copyfileobj(content, target, _COPY_BYTES)
            link_new(target, path)

    def _put_new(self, path: Path, data: bytes) -> bool:
        with temporary(self._temporary) as file:
            file.write(data)
            return link_new(file, path)

    def _swap(self, path: Path, data: bytes, etag: str) -> bool:
        with self._locked():
            present = _read(path)
            if present is None or _etag(present) != etag:
                return False
            with temporary(self._temporary) as file:
                file.write(data)
                replace(file, path)
            return True

    def _delete(self, path: Path) -> None:
        with self._locked():
            path.unlink(missing_ok=True)
            if path.parent.exists():
                sync_folder(path.parent)

    def _list(self, prefix: str) -> list[str]:
        folder = self._root / prefix.rpartition("/")[0]
        found = (
            (Path(path) / name).relative_to(self._root).as_posix()
            for path, _, names in os.walk(folder, onerror=_missing_is_empty)
            if Path(path) != self._temporary
            for name in names
        )
        return sorted(key for key in found if key.startswith(prefix) and key != _LOCK)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep every other writer that compares first out, in this process and in others."""
        with (self._root / _LOCK).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _missing_is_empty(error: OSError) -> None:
    """Let a folder that is not there hold no keys, and nothing else pass."""
    if not isinstance(error, FileNotFoundError):
        raise error
