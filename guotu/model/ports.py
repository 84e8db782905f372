"""The ports where siblings meet; `node` wires their adapters together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from guotu.model.answer import Frame
from guotu.model.collection import Collection
from guotu.model.crs import MESH_CRS
from guotu.model.expression import Expression
from guotu.model.plan import Plan
from guotu.model.question import Aggregate, Query, Question, SortKey, Stats
from guotu.model.records import DatasetRecord, NodeRecord


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


@dataclass(frozen=True, slots=True)
class Grouping:
    """An aggregation of one version in one store; functions are COUNT, SUM, MIN, MAX only."""

    group_by: tuple[str, ...]
    """Fields, or province/prefecture/county levels of the collection's division field."""
    aggregates: tuple[Aggregate, ...]
    filter: Expression | None = None
    max_groups: int = 1_000_000


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version that a store can answer from."""

    dataset: str
    version: int
    rows: int


class FeatureStore(Protocol):
    """Where a node's rows live. Adapters pass tests/contract/test_feature_store.py.

    A version is staged from GeoParquet chunks in their order, and can be read only once activated. Rows come back in
    the order of the chunks unless sorted, so the same scan of the same version gives the same rows in the same order.
    """

    async def open(self) -> None:
        """Open; leftovers of a crash (staged, never activated versions) are removed."""

    async def close(self) -> None:
        """Close; running scans end with StoreFailure."""

    async def stage(self, dataset: str, version: int, collection: Collection, chunks: Sequence[Path]) -> int:
        """Load a version out of sight; returns its rows. Staging again replaces what was staged."""

    async def activate(self, dataset: str, version: int) -> None:
        """Make a staged version readable, in one transaction; once done, doing it again changes nothing."""

    async def drop(self, dataset: str, version: int) -> None:
        """Remove a version, staged or active; nothing if there is none."""

    async def versions(self) -> list[StoredVersion]:
        """List the readable versions, sorted by dataset and version."""

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


class PeerClient(Protocol):
    """Asks other nodes."""

    def query(self, address: str, question: Query, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds."""

    def stats(self, address: str, question: Stats, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node; `timeout` in seconds."""

    async def explain(self, address: str, question: Question, timeout: float | None) -> Plan:
        """Ask a node how it would answer."""
