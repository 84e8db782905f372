"""Files that are written whole or not at all, and are still there after a power cut."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def temporary(folder: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Open a new file in `folder` that is gone afterwards, unless it was renamed.

    The file is locked while it is open: `sweep` removes only files whose writer died.
    """
    file = _open_locked(folder, mode)
    try:
        yield file
    finally:
        with suppress(FileNotFoundError):
            os.unlink(file.name)
        file.close()


def sweep(folder: Path) -> int:
    """Remove the temporary files of writers that died; returns how many."""
    removed = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            removed += 1
    return removed


def link_new(file: BinaryIO, target: Path) -> bool:
    """Give a temporary file's content the name `target` unless it is taken; tells whether. Durable on return."""
    _settle(file, target.parent)
    try:
        os.link(file.name, target)
        return True
    except FileExistsError:
        return False
    finally:
        sync_folder(target.parent)


def replace(file: BinaryIO, target: Path) -> None:
    """Give a temporary file the name `target`, in place of what had it. Durable on return."""
    _settle(file, target.parent)
    os.replace(file.name, target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    missing = [item for item in (folder, *folder.parents) if not item.exists()]
    for item in reversed(missing):
        item.mkdir(exist_ok=True)
        sync_folder(item.parent)


def _settle(file: BinaryIO, folder: Path) -> None:
    """Bring a file's bytes to the disk, and its future folder into being."""
    file.flush()
    os.fsync(file.fileno())
    make_folder(folder)


def _open_locked(folder: Path, mode: int) -> BinaryIO:
    while True:
        path = str(folder / f".{secrets.token_hex(8)}.tmp")
        file = open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_EX)
        # A sweep may have come between the two calls.
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()
