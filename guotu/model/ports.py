"""The ports where siblings meet; `node` wires their adapters together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from guotu.model.answer import Frame
from guotu.model.collection import Collection
from guotu.model.crs import MESH_CRS
from guotu.model.expression import Expression
from guotu.model.plan import Plan
from guotu.model.question import Aggregate, Bins, LayerOverlay, Overlay, Query, Question, SortKey, Stats
from guotu.model.records import DatasetRecord, NodeRecord, ReplicaRecord


class Clock(Protocol):
    """Time, so that tests can hold it."""

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A retrieval from one version in one store."""

    fields: tuple[str, ...]
    """Columns to return, in order; never empty."""
    filter: Expression | None = None
    sort: tuple[SortKey, ...] = ()
    limit: int = 0
    crs: str = MESH_CRS
    """CRS of returned geometries."""
    near: NDArray[np.float64] | None = None
    """Boxes (xmin, ymin, xmax, ymax in degrees, shape (n, 4), n >= 1) to look for features near of; None: everywhere.

    Rows whose bounding box meets one of them are given, each once, and others may be; in any order. Such a scan has
    neither sort nor limit.
    """


@dataclass(frozen=True, slots=True)
class Grouping:
    """An aggregation of one version in one store; functions are COUNT, SUM, MIN, MAX only."""

    group_by: tuple[str, ...]
    """Fields, or province/prefecture/county levels of the collection's division field."""
    aggregates: tuple[Aggregate, ...]
    filter: Expression | None = None
    max_groups: int = 1_000_000
    bins: Bins | None = None
    """Classes, with edges, to group by instead of fields; their number is the column BIN."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version that a store can answer from."""

    dataset: str
    version: int
    rows: int


Rows = Callable[[], Iterator[pa.RecordBatch]]
"""Begins a stream of rows, drawn in a thread of the store; schema as said where it is taken."""


class FeatureStore(Protocol):
    """Where a node's rows live. Adapters pass tests/contract/test_feature_store*.py.

    A version is staged whole, or as what changed against the version before it, and can be read only once activated.
    Curve order is by place on the Hilbert curve, then by key. Every version has a base. That of a version staged whole
    is the version itself, and so it is of one staged as a change with `rebase`, or when changes since the base of the
    version before have become many (`guotu.model.rebase`); that of another change is the base of the version before.
    Unless sorted, a scan gives the rows that came to be with the base or earlier, in curve order, then those that came
    to be after it, in curve order. So the same scan of the same version gives the same rows in the same order, in every
    store and however the version was reached, and few rows move when a change is applied.
    """

    async def open(self) -> None:
        """Open; leftovers of a crash (staged, never activated versions) are removed."""

    async def close(self) -> None:
        """Close; running scans end with StoreFailure."""

    async def stage(self, dataset: str, version: int, collection: Collection, rows: Rows) -> int:
        """Load a whole version out of sight; returns its rows. Staging again replaces what was staged.

        `rows` has the schema `guotu.model.schema.stored_schema` and comes in curve order. What it raises is raised
        here, and leaves nothing staged.

        Raises:
            StoreFailure: the engine failed, or two rows have one key.
        """

    async def stage_change(
        self, dataset: str, version: int, collection: Collection, changes: Rows, *, rebase: bool = False
    ) -> int:
        """Load what turns version - 1, which must be active, into `version`, out of sight; returns its rows.

        `changes` has the schema `stored_schema`, in any order: after-images, and for deletes a row with the key and
        nulls else (its `_hash` is null). A row comes to be in the version whose change has it, even if it is equal to
        the one that it replaces. `rebase` tells that the version can be staged whole elsewhere, so that it must give
        its rows in curve order. The cost is in proportion to the change. Staging again replaces what was staged.

        Raises:
            UnknownVersion: version - 1 cannot be read.
            StoreFailure: the engine failed, or two changes have one key.
        """

    def staged_change(self, dataset: str, version: int, collection: Collection) -> AsyncIterator[pa.RecordBatch]:
        """Stream what a staged change would do: `guotu.model.schema.effect_schema`, one row a change, by key.

        `old_hash` is null where version - 1 has no row of that key, `new_hash` where the change deletes it.
        """

    async def activate(self, dataset: str, version: int, state: bytes = b"") -> None:
        """Make a staged version readable, in one transaction; once done, doing it again changes nothing.

        `state` (at most 64 KiB) is kept with the version for the caller.
        """

    async def state(self, dataset: str, version: int) -> bytes:
        """Return what `activate` was given.

        Raises:
            UnknownVersion: the version cannot be read.
        """

    async def drop(self, dataset: str, version: int) -> None:
        """Remove a version, staged or active, and the rows that no other readable version needs.

        Nothing if there is none. Dropping the newest leaves the one before it as it was.
        """

    async def tidy(self, dataset: str) -> bool:
        """Store rows anew where changes, a rebase or a mend have left them out of order; tells whether.

        To be called after versions were activated. Readers go on; answers stay the same.
        """

    async def versions(self) -> list[StoredVersion]:
        """List the readable versions, sorted by dataset and version."""

    def compare(self, dataset: str, version: int, collection: Collection, rows: Rows) -> AsyncIterator[pa.RecordBatch]:
        """Stream how a set of rows differs from a version: `guotu.model.schema.difference_schema`, by key.

        `rows` has the key column, `_hash`, and `_row` (int64, the caller's number of the row). A key on one side only,
        or with another hash, is a difference; memory stays bounded, whatever the size.

        Raises:
            UnknownVersion: the version cannot be read.
            StoreFailure: the engine failed, or two rows have one key.
        """

    def look_up(
        self, dataset: str, version: int, collection: Collection, keys: pa.Array, names: Sequence[str]
    ) -> AsyncIterator[pa.RecordBatch]:
        """Stream columns of the rows of a version with these keys (those there are), by key.

        `names` are columns of `stored_schema`, in any order; only these are read.

        Raises:
            UnknownVersion: the version cannot be read.
        """

    def stored(self, dataset: str, version: int, collection: Collection) -> AsyncIterator[pa.RecordBatch]:
        """Stream all rows of a version as they are stored, in curve order; schema `stored_schema`.

        Raises:
            UnknownVersion: the version cannot be read.
        """

    def changes(self, dataset: str, since: int, until: int, collection: Collection) -> AsyncIterator[pa.RecordBatch]:
        """Stream how version `until` differs from `since`: `guotu.model.schema.change_schema`, by key.

        Rows that are equal (by `_hash`) are left out. Between versions that changes lead to, the cost is in proportion
        to the changes.

        Raises:
            UnknownVersion: one of them cannot be read.
        """

    async def mend(self, dataset: str, version: int, collection: Collection, rows: Rows) -> None:
        """Put rows of the newest readable version right, in one transaction; it stays the same version.

        `rows` has the schema `stored_schema`, and `_since` (int64, the version in which the row came to be): each
        replaces the row with its key; a row with a null `_hash` removes it. Older versions that changes
        lead from to this one see it from `_since` on (null: only this version does), and are as they were before that.

        A row without a version comes to be in this one, as far as its order goes.

        Raises:
            UnknownVersion: it is not the newest readable version.
        """

    def scan(self, dataset: str, version: int, collection: Collection, scan: Scan) -> AsyncIterator[pa.RecordBatch]:
        """Stream rows in batches of about 1 MiB with the schema of `guotu.model.schema.arrow_schema`.

        Closing the iterator cancels the work in the engine.

        Raises:
            UnknownVersion: the store cannot answer from that version.
            StoreFailure: the engine failed.
        """

    async def aggregate(self, dataset: str, version: int, collection: Collection, grouping: Grouping) -> pa.Table:
        """Return one row a group: the group columns, then one column an aggregate, not sorted.

        Schema as `guotu.model.grouping.grouping_schema`.

        Raises:
            UnknownVersion: the store cannot answer from that version.
            TooLarge: more groups than `max_groups`.
            StoreFailure: the engine failed.
        """


@dataclass(frozen=True, slots=True)
class DirectoryView:
    """One consistent look at the directory; immutable."""

    nodes: Mapping[str, NodeRecord]
    """Nodes with a live lease, by id."""
    datasets: Mapping[str, Mapping[str, DatasetRecord]]
    """By collection id, then by dataset id."""
    replicas: Mapping[str, Mapping[str, ReplicaRecord]]
    """Replicas of nodes with a live lease, by dataset id, then by node id."""
    stale: bool
    """True if the registry is out of reach: this is the last good directory."""
    as_of_ms: int
    """When it last agreed with the registry, milliseconds since 1970-01-01 UTC."""


class Directory(Protocol):
    """Who is out there."""

    def view(self) -> DirectoryView:
        """Return the present view; cheap, never blocks."""


class Catalogue(Protocol):
    """The collections of the mesh."""

    def get(self, collection: str) -> Collection | None:
        """Return a collection; None if there is none."""

    def all(self) -> Sequence[Collection]:
        """Return all, sorted by id."""


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


class FeatureQuery(Protocol):
    """Answers questions."""

    def query(self, question: Query, timeout: float) -> AsyncIterator[Frame]:
        """Answer a retrieval within `timeout` seconds: Header, then Batch and Notice, then Trailer.

        Raises (after the Trailer, where there is one):
            IncompleteAnswer, NobodyAnswered: members are missing.
            InvalidQuestion, InvalidFilter, UnknownCollection, UnknownField, ...: the question is not valid.
        """

    def stats(self, question: Stats, timeout: float) -> AsyncIterator[Frame]:
        """Answer a grouping question; otherwise as `query`."""

    def overlay(self, question: Overlay | LayerOverlay, timeout: float) -> AsyncIterator[Frame]:
        """Lay features over zones; otherwise as `query`."""


class PeerClient(Protocol):
    """Asks other nodes."""

    def query(self, address: str, question: Query, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds."""

    def stats(self, address: str, question: Stats, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds."""

    def overlay(self, address: str, question: Overlay | LayerOverlay, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds."""

    async def explain(self, address: str, question: Question, timeout: float | None) -> Plan:
        """Ask a node how it would answer."""


class Holder(Protocol):
    """A node that holds objects of versions, as a replicating node sees it."""

    async def manifest(self, address: str, dataset: str, name: str, timeout: float) -> tuple[bytes, bytes]:
        """Return (manifest, signature) of a manifest by its name (SHA-256, hex), byte for byte, not yet checked."""

    async def definition(self, address: str, digest: str, timeout: float) -> bytes:
        """Return a collection's definition (canonical JSON) by its definition hash, not yet checked."""

    def read_object(self, address: str, sha256: str, offset: int, length: int, timeout: float) -> AsyncIterator[bytes]:
        """Stream bytes of an object, `length` from `offset` on, not yet checked; `timeout` in seconds between parts."""
