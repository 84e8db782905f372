"""The book of a collection: the fingerprints that its last publication from a table left, or none.

The small file names the large one and is replaced as a whole, after the large one is durable: a crash at any moment
leaves the fingerprints before, which are bound to a head that is none any more, so that the next run reads everything.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from node.fingerprints.binding import FORMAT, Binding, Memory, memory_from
from node.fingerprints.draft import Draft
from sync.durable import make_folder, replace, sweep, temporary

_OWNER_ONLY = 0o600


class Book:
    """Reads and writes the fingerprints of one collection."""

    def __init__(self, folder: Path, collection: str) -> None:
        """`folder` is that of all books."""
        self._folder = folder / collection
        self._drafts = self._folder / "drafts"
        self._page = self._folder / "memory.json"

    def memory(self) -> Memory | None:
        """Return what is kept; None if nothing is, or not as this release writes it."""
        try:
            document = json.loads(self._page.read_bytes())
            return memory_from(document) if document["format"] == FORMAT else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def fingerprints(self, memory: Memory) -> Path:
        """Return the file of fingerprints."""
        return self._folder / memory.file

    @contextmanager
    def draft(self, schema: pa.Schema) -> Iterator[Draft]:
        """Open a draft, which is gone afterwards unless it was kept; leftovers of crashes go now.

        Raises:
            OSError: there is no room for it.
        """
        make_folder(self._drafts)
        self._folder.parent.chmod(0o700)
        sweep(self._drafts)
        with temporary(self._drafts, _OWNER_ONLY) as file:
            yield Draft(file, schema)

    def keep(self, draft: Draft, binding: Binding, manifest: str, seeds: tuple[int, int]) -> None:
        """Keep a draft as the fingerprints of a head, in place of those before.

        Raises:
            OSError: there is no room for it.
        """
        name = f"{secrets.token_hex(8)}.arrow"
        replace(draft.file, self._folder / name)
        memory = Memory(binding, manifest, seeds, draft.rows, name)
        with temporary(self._drafts, _OWNER_ONLY) as page:
            page.write(json.dumps({"format": FORMAT, **asdict(memory)}, ensure_ascii=False, indent=1).encode())
            replace(page, self._page)
        for other in self._folder.glob("*.arrow"):
            if other.name != name:
                other.unlink(missing_ok=True)
