"""Staged changes, in files beside the database: what a crash may take away need not go through the database's log."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import Collection
from guotu.model.ports import Rows
from guotu.model.schema import HASH, PLACE, stored_schema
from node.stores.arrival import Arrival
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.incoming import drawn
from node.stores.entry import Entry, Key
from node.stores.sql.identifiers import quote


@dataclass(frozen=True, slots=True)
class StagedChange:
    """What turns a version into the next, waiting to be applied."""

    entry: Entry
    """Of the version that it leads to; its `change` is the name under which statements find the new rows."""
    replaced: int
    """Rows of the version before that end."""
    ordered: bool
    """Tells that the new rows are in curve order."""
    placed_at: int | None
    """Epoch of the catalogue at which the places of the rows that end were right; None if they are not known."""

    @property
    def effect(self) -> str:
        """Return the name under which statements find what it does to each key."""
        return f"{self.entry.change}_effect"


class ChangeFiles:
    """Arrow files in a folder of the store's own, read in place, and what is known of the changes that they hold.

    Only those who write to the database, one at a time, stage changes and let go of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended: set[Key] = set()
        self.staged: Mapping[Key, StagedChange] = {}
        """By dataset and version; immutable."""

    def clear(self) -> None:
        """Remove all: nothing that a store had staged outlives it."""
        self.staged = {}
        shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, collection: Collection, changes: Rows) -> tuple[str, bool]:
        """Put changes into a new file; returns its name, and whether what are no deletes came in curve order.

        Raises:
            DrawingFault: `changes` raised something.
            OSError: the file cannot be written.
        """
        name, schema, arrival = f"change_{uuid.uuid4().hex}", stored_schema(collection), Arrival(collection.key)
        self._folder.mkdir(exist_ok=True)
        with pa.OSFile(str(self._path(name)), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for batch in drawn(changes, schema):
                arrival.look(batch.select([PLACE, collection.key]).filter(pc.is_valid(batch.column(HASH))))
                writer.write_batch(batch)
        return name, arrival.ordered

    def write_effect(self, name: str, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """Put what a change does into a file beside its own, passing it on.

        Raises:
            OSError: the file cannot be written, or the engine failed.
        """
        path = self._path(f"{name}_effect")
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
                yield batch

    def offer(self, cursor: Cursor, name: str, columns: Mapping[str, str]) -> None:
        """Let the statements of a cursor find the rows of a file under its name, as long as the cursor is open.

        `columns` are the types that they are to have.
        """
        self._register(cursor, name, f"{name}_rows")
        typed = ", ".join(f"{quote(item)}::{kind} AS {quote(item)}" for item, kind in columns.items())
        cursor.execute(f"CREATE TEMP VIEW {quote(name)} AS SELECT {typed} FROM {quote(f'{name}_rows')}")  # noqa: S608

    def offer_effect(self, cursor: Cursor, change: StagedChange) -> None:
        """Let the statements of a cursor find what a change does, as long as the cursor is open."""
        self._register(cursor, change.effect, change.effect)

    def put(self, change: StagedChange) -> None:
        """Take note of a change, in place of one for the same version."""
        self._keep({**self.staged, change.entry.key: change})

    def end(self, key: Key) -> None:
        """Let go of a version's change, if it has one, once the transaction under way is done."""
        self._ended.add(key)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Let go of the changes that end inside, unless something fails; files that are no change's are removed."""
        self._ended.clear()
        kept = self.staged
        try:
            yield
            kept = {key: change for key, change in self.staged.items() if key not in self._ended}
        finally:
            self._keep(kept)

    def forget_places(self) -> None:
        """Take note that rows may lie elsewhere from now on."""
        self.staged = {key: replace(change, placed_at=None) for key, change in self.staged.items()}

    def _keep(self, staged: Mapping[Key, StagedChange]) -> None:
        """Know of these changes only; who reads the file of another can go on."""
        self.staged = staged
        kept = {self._path(name) for change in staged.values() for name in (change.entry.change, change.effect)}
        for path in self._folder.glob("*"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def _register(self, cursor: Cursor, name: str, alias: str) -> None:
        with pa.memory_map(str(self._path(name))) as file:
            cursor.register(alias, pa.ipc.open_file(file).read_all())

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.arrow"
