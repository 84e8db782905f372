"""Files kept of objects that live elsewhere: a folder bounded by bytes, the least recently used go first."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sync.durable import link_new, make_folder, sweep, temporary

_TEMPORARY = ".temporary"
_KEY_DIGITS = 64
SPARE_S = 600.0
Fetch = Callable[[BinaryIO], None]
"""Writes the bytes of an object to a file."""


@dataclass(slots=True)
class _Entry:
    size: int
    used: float
    """When its path was handed out last, on the monotonic clock."""


class FileCache:
    """One file a value (key and etag), for one process.

    A file that is removed stays readable for whoever has it open. Those that were handed out less than `spare_s`
    seconds ago are not removed, for they may be about to be opened: while one load reads more than the bound, the
    folder outgrows it.
    """

    def __init__(self, folder: Path, limit_bytes: int, spare_s: float = SPARE_S) -> None:
        """Open a folder, made if it is not there; what it holds from before is used.

        Raises:
            OSError: it cannot be used.
        """
        self._folder = folder
        self._temporary = folder / _TEMPORARY
        self._limit = limit_bytes
        self._spare_s = spare_s
        self._lock = threading.Lock()
        self._fetching: dict[str, tuple[threading.Lock, int]] = {}
        make_folder(self._temporary)
        sweep(self._temporary)
        self._entries = self._found()
        with self._lock:
            self._evict()

    def path(self, key: str, etag: str, size: int, fetch: Fetch) -> Path:
        """Return where the value of `key` with this etag, of `size` bytes, can be read; fetched if it is not there.

        Raises:
            OSError: the folder cannot be written. What `fetch` raises; nothing is kept then.
        """
        name = _name(key, etag)
        with self._alone(name):
            path = self._folder / name
            if not self._has(path, size):
                with temporary(self._temporary, mode=0o600) as file:
                    fetch(file)
                    path.unlink(missing_ok=True)
                    link_new(file, path)
            self._handed_out(path, size)
            return path

    def forget(self, key: str) -> None:
        """Remove what is kept of a key."""
        prefix = _name(key, "")[:_KEY_DIGITS]
        with self._lock:
            for name in [name for name in self._entries if name.startswith(prefix)]:
                self._remove(name)

    def _found(self) -> OrderedDict[str, _Entry]:
        """Return the files from before, the least recently used first."""
        files = [(item.stat(), item.name) for item in self._folder.iterdir() if item.is_file()]
        files.sort(key=lambda pair: pair[0].st_mtime_ns)
        long_ago = time.monotonic() - self._spare_s
        return OrderedDict((name, _Entry(stat.st_size, long_ago)) for stat, name in files)

    def _has(self, path: Path, size: int) -> bool:
        try:
            return path.stat().st_size == size
        except FileNotFoundError:
            return False

    def _handed_out(self, path: Path, size: int) -> None:
        # The file's own time keeps the order across restarts.
        os.utime(path)
        with self._lock:
            self._entries[path.name] = _Entry(size, time.monotonic())
            self._entries.move_to_end(path.name)
            self._evict()

    def _evict(self) -> None:
        over = sum(entry.size for entry in self._entries.values()) - self._limit
        spared_since = time.monotonic() - self._spare_s
        for name, entry in list(self._entries.items()):
            if over <= 0 or entry.used > spared_since:
                return
            over -= entry.size
            self._remove(name)

    def _remove(self, name: str) -> None:
        del self._entries[name]
        (self._folder / name).unlink(missing_ok=True)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Let others who want the same value wait, so that it is fetched once."""
        with self._lock:
            lock, users = self._fetching.get(name, (threading.Lock(), 0))
            self._fetching[name] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, users = self._fetching.pop(name)
                if users > 1:
                    self._fetching[name] = (lock, users - 1)


def _name(key: str, etag: str) -> str:
    """Return the file name of a value: its key and its etag, hashed, so that any fits a file system."""
    return f"{hashlib.sha256(key.encode()).hexdigest()}.{hashlib.sha256(etag.encode()).hexdigest()[:32]}"
