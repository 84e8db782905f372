"""Staged changes, in files beside the database: what a crash may take away need not go through the database's log."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.ports import Rows
from guotu.model.schema import stored_schema
from node.stores.duckdb.connection import Cursor
from node.stores.duckdb.incoming import drawn
from node.stores.sql.identifiers import quote


class ChangeFiles:
    """Arrow files in a folder of the store's own; each is one staged change, and is read in place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def clear(self) -> None:
        """Remove all: nothing that a store had staged outlives it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def write(self, collection: Collection, changes: Rows) -> str:
        """Put changes into a new file; returns its name.

        Raises:
            DrawingFault: `changes` raised something.
            OSError: the file cannot be written.
        """
        name, schema = f"change_{uuid.uuid4().hex}", stored_schema(collection)
        self._folder.mkdir(exist_ok=True)
        with pa.OSFile(str(self._path(name)), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for batch in drawn(changes, schema):
                writer.write_batch(batch)
        return name

    def offer(self, cursor: Cursor, name: str, columns: Mapping[str, str]) -> None:
        """Let the statements of a cursor find the rows of a file under its name, as long as the cursor is open.

        `columns` are the types that they are to have.
        """
        with pa.memory_map(str(self._path(name))) as file:
            cursor.register(f"{name}_rows", pa.ipc.open_file(file).read_all())
        typed = ", ".join(f"{quote(item)}::{kind} AS {quote(item)}" for item, kind in columns.items())
        cursor.execute(f"CREATE TEMP VIEW {quote(name)} AS SELECT {typed} FROM {quote(f'{name}_rows')}")  # noqa: S608

    def keep(self, names: Iterable[str]) -> None:
        """Remove the files of changes that are not staged any more; who reads one still can go on."""
        kept = {self._path(name) for name in names}
        for path in self._folder.glob("*"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.arrow"
