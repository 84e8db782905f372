"""Chunks in the one directory that the engine may read from."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def chunks_in(inbox: Path, chunks: Sequence[Path]) -> Iterator[list[str]]:
    """Give chunks a place and a plain name in the inbox for a while; yields their paths, in the order given.

    They are linked, or copied where the file system differs or has no links. The engine resolves symbolic links before
    it looks whether a path is allowed, and reads *, ? and [ in a path as patterns, so neither would do.

    Raises:
        OSError: a chunk cannot be read, or the inbox cannot be written.
    """
    tray = inbox / uuid.uuid4().hex
    tray.mkdir(mode=0o700)
    try:
        yield [_place(chunk.resolve(), tray / f"{number:08d}.parquet") for number, chunk in enumerate(chunks)]
    finally:
        shutil.rmtree(tray, ignore_errors=True)


def _place(chunk: Path, target: Path) -> str:
    try:
        os.link(chunk, target)
    except OSError:
        shutil.copyfile(chunk, target)
    return str(target)
