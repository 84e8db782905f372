"""The port to where rows lie, and what is asked of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from guotu.model.collection import Collection
from guotu.model.crs import MESH_CRS
from guotu.model.expression import Expression
from guotu.model.question import Aggregate, Bins, SortKey


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
