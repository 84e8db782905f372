"""The file, open: reading from snapshots of it, and changing it in transactions."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import pyarrow as pa

from guotu.model.errors import StoreFailure
from node.stores.duckdb import catalogue
from node.stores.duckdb.catalogue import Catalogue
from node.stores.duckdb.changefiles import ChangeFiles
from node.stores.duckdb.connection import Cursor, connect
from node.stores.duckdb.failures import engine_faults
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.sessions import Sessions
from node.stores.duckdb.streams import Begin, Stream

T = TypeVar("T")


class Database:
    """Knows the catalogue by heart, as long as the file's epoch is the same."""

    def __init__(self, options: DuckDbOptions) -> None:
        self.files = ChangeFiles(options.staged)
        """Changes that are staged lie beside the file."""
        self.known = catalogue.EMPTY
        """What the last change left in the file."""
        self._options = options
        self._sessions: Sessions | None = None

    async def open(self) -> None:
        """Open the file, making it if there is none.

        Raises:
            DirectoryInUse: another process has the file.
            StoreFailure: the engine cannot open it.
        """
        base = await asyncio.to_thread(_open, self._options)
        await asyncio.to_thread(self.files.clear)
        self._sessions = Sessions(base, self._options, self.files.forget_places)

    async def close(self) -> None:
        """Close the file; what is under way ends with StoreFailure. Closing again changes nothing."""
        if self._sessions is not None:
            sessions, self._sessions, self.known = self._sessions, None, catalogue.EMPTY
            await sessions.close()

    async def read(self, work: Callable[[Cursor], T]) -> T:
        """Do some work in a thread of the readers."""
        async with self._open_sessions.read() as session:
            return await session.start(work)

    def snapshot(self, cursor: Cursor) -> Catalogue:
        """Begin to read: the cursor sees the file as it is now, and the catalogue returned tells of that."""
        cursor.begin()
        return self._current(cursor)

    async def stream(self, activity: str, begin: Begin) -> AsyncIterator[pa.RecordBatch]:
        """Yield the rows of a statement; `activity` is what faults tell."""
        rows = Stream(activity, begin)
        async with self._open_sessions.read(rows.close) as session:
            pending = session.start(rows.draw)
            while (batch := await pending) is not None:
                pending = session.start(rows.draw)  # while the caller is busy with the one before
                yield batch

    async def change(self, activity: str, work: Callable[[Cursor, Catalogue], T]) -> T:
        """Change the file in one transaction; what is readable is known anew even if nobody waits for it."""

        def run(cursor: Cursor) -> T:
            with engine_faults(activity), self.files.transaction():
                with catalogue.transaction(cursor):
                    result = work(cursor, self._current(cursor))
                    catalogue.bump(cursor)
                    known = catalogue.read(cursor)
                self.known = known
                return result

        async with self._open_sessions.write() as session:
            return await session.start(run)

    async def note(self, activity: str, work: Callable[[Cursor, Catalogue], T]) -> T:
        """Change what is staged beside the file, from a snapshot of it.

        Nothing is written to the file, so that no checkpoint moves the rows whose places are noted.
        """

        def run(cursor: Cursor) -> T:
            with engine_faults(activity), self.files.transaction():
                return work(cursor, self.snapshot(cursor))

        async with self._open_sessions.write() as session:
            return await session.start(run)

    async def size_bytes(self) -> int:
        """Return what the file takes on disk, its log included."""
        path = self._options.path
        files = (path, path.with_name(f"{path.name}.wal"))
        return await asyncio.to_thread(lambda: sum(file.stat().st_size for file in files if file.exists()))

    @property
    def _open_sessions(self) -> Sessions:
        if self._sessions is None:
            raise StoreFailure(detail="the store is not open")
        return self._sessions

    def _current(self, cursor: Cursor) -> Catalogue:
        """Return what the file holds, as the cursor's transaction sees it; from memory if that is right."""
        known = self.known
        return known if catalogue.epoch(cursor) == known.epoch else catalogue.read(cursor)


def _open(options: DuckDbOptions) -> Cursor:
    """Open the file and clear away what a crash left."""
    options.path.parent.mkdir(parents=True, exist_ok=True)
    base = connect(options)
    try:
        with engine_faults("opening the store"):
            shutil.rmtree(options.scratch, ignore_errors=True)
            catalogue.prepare(base)
    except BaseException:
        base.close()
        raise
    return base
