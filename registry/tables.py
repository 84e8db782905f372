"""What the directory holds of each kind of key, by name; changed by one task, read through immutable mappings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from guotu.model.records import NodeRecord
from guotu.wire.records import dataset_from_bytes, node_from_bytes
from registry.packing import forget_revision, pack_record, packed_revision
from registry.shelf import HotRecords, Shelf

V = TypeVar("V")


class Table(Protocol):
    """The keys under one prefix; a name is what follows the prefix."""

    def put(self, name: str, revision: int, value: bytes) -> None:
        """Set a name to what etcd has at that revision.

        Raises:
            ValueError: the value is not a sound record of that name.
        """

    def drop(self, name: str) -> None:
        """Remove a name; nothing if there is none."""

    def revision(self, name: str) -> int | None:
        """Return the revision at which etcd has it; None if there is no such name."""

    def names(self) -> Iterator[str]:
        """Yield the names there are at the first step, in no order; the table may change meanwhile."""

    def forget_revisions(self) -> None:
        """Set all revisions to 0: etcd has begun another history."""

    def __len__(self) -> int:
        """Return how many names there are."""


class ValueTable(Generic[V]):
    """A table of few names, copied when it is read after a change."""

    def __init__(self, decode: Callable[[str, bytes], V]) -> None:
        self._decode = decode
        self._rows: dict[str, tuple[int, V]] = {}
        self._view: Mapping[str, V] | None = None

    def put(self, name: str, revision: int, value: bytes) -> None:
        """Set a name; ValueError for an unsound value."""
        self._rows[name] = (revision, self._decode(name, value))
        self._view = None

    def drop(self, name: str) -> None:
        """Remove a name."""
        if self._rows.pop(name, None) is not None:
            self._view = None

    def revision(self, name: str) -> int | None:
        """Return a name's revision."""
        row = self._rows.get(name)
        return None if row is None else row[0]

    def names(self) -> Iterator[str]:
        """Yield all names."""
        return iter(list(self._rows))

    def forget_revisions(self) -> None:
        """Set all revisions to 0."""
        self._rows = {name: (0, value) for name, (_, value) in self._rows.items()}

    def __len__(self) -> int:
        return len(self._rows)

    def view(self) -> Mapping[str, V]:
        """Return the values by name, as they are now; immutable."""
        if self._view is None:
            self._view = {name: value for name, (_, value) in self._rows.items()}
        return self._view


class DatasetTable:
    """The datasets, packed, one shelf a collection; a shelf is copied when it is read after a change."""

    def __init__(self, hot_records: int) -> None:
        self._hot = HotRecords(hot_records)
        self._shelves: dict[str, Shelf] = {}
        self._changes: dict[str, dict[str, bytes | None]] = {}
        self._count = 0

    def put(self, name: str, revision: int, value: bytes) -> None:
        """Set a dataset; ValueError for an unsound value."""
        record = dataset_from_bytes(value)
        if record.dataset != name:
            raise ValueError(f"dataset {record.dataset!r} stands under the key of {name!r}")
        self.put_packed(name, pack_record(revision, record))

    def put_packed(self, name: str, packed: bytes) -> None:
        """Set a dataset to a packed record."""
        self._change(name, packed)

    def drop(self, name: str) -> None:
        """Remove a dataset."""
        if self._find(name) is not None:
            self._change(name, None)

    def revision(self, name: str) -> int | None:
        """Return a dataset's revision."""
        packed = self._find(name)
        return None if packed is None else packed_revision(packed)

    def names(self) -> Iterator[str]:
        """Yield all dataset ids."""
        for shelf in self.view().values():
            yield from shelf

    def forget_revisions(self) -> None:
        """Set all revisions to 0."""
        shelves = {}
        for collection, shelf in self.view().items():
            fresh = {node: forget_revision(packed) for node, packed in shelf.packed().items()}
            shelves[collection] = Shelf(collection, fresh, self._hot)
        self._shelves = shelves

    def __len__(self) -> int:
        return self._count

    def view(self) -> Mapping[str, Shelf]:
        """Return the shelves by collection, as they are now; immutable."""
        if self._changes:
            shelves = dict(self._shelves)
            for collection, changes in self._changes.items():
                shelves[collection] = shelves.get(collection, Shelf(collection, {}, self._hot)).changed(changes)
            self._shelves = {collection: shelf for collection, shelf in shelves.items() if shelf}
            self._changes = {}
        return self._shelves

    def _find(self, name: str) -> bytes | None:
        node, _, collection = name.partition("/")
        changes = self._changes.get(collection)
        if changes is not None and node in changes:
            return changes[node]
        shelf = self._shelves.get(collection)
        return None if shelf is None else shelf.packed().get(node)

    def _change(self, name: str, packed: bytes | None) -> None:
        node, _, collection = name.partition("/")
        self._count += (packed is not None) - (self._find(name) is not None)
        self._changes.setdefault(sys.intern(collection), {})[sys.intern(node)] = packed


def node_of(name: str, value: bytes) -> NodeRecord:
    """Return the record under `nodes/<name>`.

    Raises:
        ValueError: it is not a sound record of that node.
    """
    record = node_from_bytes(value)
    if record.node != name:
        raise ValueError(f"node {record.node!r} stands under the key of {name!r}")
    return record
