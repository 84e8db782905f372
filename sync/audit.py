"""Audit: how rows that came from elsewhere differ from a version that is held, by key and row hash."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.errors import UnknownVersion
from guotu.model.ports import Clock, FeatureStore, ObjectStore
from guotu.model.schema import arrow_schema
from sync.definitions import get_definition
from sync.pointer import read_head, read_version
from sync.rowhash import encode, normal_form
from sync.signed import get_manifest
from sync.spool import Spool
from sync.stages import Progress, Stages, closed_after
from sync.survey import ROW, Survey, survey

ONLY_IN_SOURCE = "only_in_source"
ONLY_IN_VERSION = "only_in_version"
DIFFERING = "differing"
_LOOKED_UP = 1_000
"""Rows whose fields are compared at a time."""


@dataclass(frozen=True, slots=True)
class AuditedVersion:
    """A version that rows are held against."""

    dataset: str
    version: int
    manifest: str
    """SHA-256, hex."""
    rows: int
    collection: Collection
    """As its rows are defined."""


@dataclass(frozen=True, slots=True)
class AuditedRow:
    """A key whose row is not the same on both sides."""

    key: str
    how: str
    """ONLY_IN_SOURCE, ONLY_IN_VERSION or DIFFERING."""
    fields: tuple[str, ...] = ()
    """Those that differ, of a row that both have."""


@dataclass(slots=True)
class Audit:
    """What an audit found."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys((ONLY_IN_SOURCE, ONLY_IN_VERSION, DIFFERING), 0)
    )
    """Keys in all, by how they differ."""
    rows: list[AuditedRow] = field(default_factory=list)
    """The first of them, by key."""


class Auditor:
    """Holds rows against versions that a store can answer from; it changes nothing."""

    def __init__(self, objects: ObjectStore, store: FeatureStore, clock: Clock) -> None:
        self._objects = objects
        self._store = store
        self._clock = clock

    async def open(self, dataset: str, version: int) -> AuditedVersion:
        """Find a version; 0 is the head.

        Raises:
            UnknownVersion: it cannot be answered from.
            CorruptObject: its manifest or definition is missing or damaged.
        """
        head = await read_head(self._objects, dataset)
        newest = 0 if head is None else head.pointer.version
        wanted = version or newest
        readable = {item.version: item.rows for item in await self._store.versions() if item.dataset == dataset}
        entry = await read_version(self._objects, dataset, wanted) if wanted else None
        if entry is None or wanted not in readable or wanted > newest:
            raise UnknownVersion(dataset=dataset, version=wanted)
        manifest = (await get_manifest(self._objects, entry.manifest)).manifest
        collection = await get_definition(self._objects, manifest.definition)
        return AuditedVersion(dataset, wanted, entry.manifest, readable[wanted], collection)

    async def audit(self, audited: AuditedVersion, rows: Path, folder: Path, limit: int, progress: Progress) -> Audit:
        """Compare all rows of a spool with a version.

        Args:
            audited: the version.
            rows: Arrow IPC file with `arrow_schema(audited.collection)`, inspected, EPSG:4490 lon/lat.
            folder: for scratch files.
            limit: most rows to tell by key.
            progress: told "digest" and "compare" with rows.

        Raises:
            UnknownVersion: the version is gone by now.
            StoreFailure: the store failed, or two rows have one key.
        """
        stages, found = Stages(self._clock, progress), Audit()
        with Spool(rows, audited.collection) as spool:
            seen = await stages.compute(
                "digest", spool.rows, lambda advance: survey(spool, folder, advance, summed=False)
            )
            async with stages.told("compare", spool.rows) as tell:
                done = 0
                async for batch in self._differences(audited, spool, seen):
                    await self._take(audited, spool, batch, found, limit)
                    done += batch.num_rows
                    tell(min(done, spool.rows))
        return found

    async def _differences(self, audited: AuditedVersion, spool: Spool, seen: Survey) -> AsyncIterator[pa.RecordBatch]:
        differences = self._store.compare(
            audited.dataset, audited.version, audited.collection, lambda: seen.hashed_keys(spool)
        )
        async with closed_after(differences):
            async for batch in differences:
                for start in range(0, batch.num_rows, _LOOKED_UP):
                    yield batch.slice(start, _LOOKED_UP)

    async def _take(
        self, audited: AuditedVersion, spool: Spool, batch: pa.RecordBatch, found: Audit, limit: int
    ) -> None:
        """Count differences, and tell the first of them."""
        here, there = batch.column(ROW).is_valid(), batch.column("old_hash").is_valid()
        how = pc.if_else(pc.and_(here, there), DIFFERING, pc.if_else(here, ONLY_IN_SOURCE, ONLY_IN_VERSION))
        for item in pc.value_counts(how).to_pylist():
            found.counts[item["values"]] += item["counts"]
        told = batch.slice(0, max(limit - len(found.rows), 0))
        if not told.num_rows:
            return
        both = told.filter(pc.and_(here, there).slice(0, told.num_rows))
        fields = await self._fields(audited, spool, both) if both.num_rows else {}
        keys = told.column(audited.collection.key).to_pylist()
        found.rows += [
            AuditedRow(str(key), kind, fields.get(key, ()))
            for key, kind in zip(keys, how.slice(0, told.num_rows).to_pylist(), strict=True)
        ]

    async def _fields(
        self, audited: AuditedVersion, spool: Spool, batch: pa.RecordBatch
    ) -> dict[object, tuple[str, ...]]:
        """Return the fields in which rows of both sides differ, by key."""
        collection = audited.collection
        keys, names = batch.column(collection.key), arrow_schema(collection).names
        looked = self._store.look_up(audited.dataset, audited.version, collection, keys, names)
        held = pa.Table.from_batches([part async for part in looked]).combine_chunks()
        held = held.take(pc.index_in(keys, held.column(collection.key).combine_chunks()))
        came = spool.take(np.asarray(batch.column(ROW)), names)
        unequal = {name: _unequal(name, held.column(name), came.column(name)) for name in names}
        return {key: tuple(name for name in names if unequal[name][row]) for row, key in enumerate(keys.to_pylist())}


def _unequal(name: str, held: pa.ChunkedArray, came: pa.ChunkedArray) -> list[bool]:
    """Tell in which rows a column differs, as the row hash sees it."""
    encoded = [encode([_plain(name, side)], len(side)) for side in (held, came)]
    differs: list[bool] = pc.not_equal(*encoded).to_pylist()
    return differs


def _plain(name: str, column: pa.ChunkedArray) -> pa.Array:
    values = column.combine_chunks()
    values = values.storage if isinstance(values, pa.ExtensionArray) else values
    return normal_form(values.cast(pa.binary()))[0] if name == GEOMETRY else values
