"""A small feature store for tests of `sync`: rows in memory, readable versions also on disk if a folder is given."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.errors import StoreFailure, UnknownVersion
from guotu.model.ports import Rows, Scan, StoredVersion
from guotu.model.rebase import is_own_base
from guotu.model.schema import HASH, PLACE, arrow_schema, change_schema, difference_schema, effect_schema, stored_schema

Version = tuple[str, int]
SINCE = "_since"


@dataclass(frozen=True)
class Kept:
    """The rows of a version, in curve order if it is not a staged change, with the version that each came to be in."""

    rows: pa.Table
    key: str
    base: int = 0
    changes: int = 0
    """Since the base."""
    generation: str = ""
    """The same for all versions that changes lead to from one base; empty for a staged change."""
    state: bytes = b""

    def at(self, keys: Sequence[object]) -> pa.Table:
        """Return the rows of these keys, nulls where there is none."""
        numbers = {key: number for number, key in enumerate(self.rows[self.key].to_pylist())}
        return self.rows.take(pa.array([numbers.get(key) for key in keys], pa.int64()))

    def scanned(self) -> pa.Table:
        """Return the rows in the order of a scan."""
        recent = pc.greater(self.rows[SINCE], self.base)
        return pa.concat_tables([self.rows.filter(pc.invert(recent)), self.rows.filter(recent)])

    def changed(self, changes: pa.Table) -> Kept:
        """Put rows in the place of those with their keys; a row without a hash only removes."""
        stays = pc.invert(pc.is_in(self.rows[self.key], changes[self.key].combine_chunks()))
        rows = pa.concat_tables([self.rows.filter(stays), changes.filter(pc.is_valid(changes[HASH]))])
        return replace(self, rows=rows.sort_by([(PLACE, "ascending"), (self.key, "ascending")]))


class MemoryStore:
    """The whole port but filters and aggregations; what a change costs is in proportion to the dataset.

    With a folder it keeps what is readable over the death of its process, as a real store does.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.tidied: list[Version] = []
        """Datasets that it was told to put in order, with the newest version of each at that time."""
        self._staged: dict[Version, Kept] = {}
        self._active: dict[Version, Kept] = {}

    def staged(self) -> list[Version]:
        """List what is staged and not active."""
        return sorted(self._staged)

    async def open(self) -> None:
        self._staged.clear()
        for path in sorted(self._folder.glob("*.parquet")) if self._folder else []:
            dataset, _, version = path.stem.replace("+", "/").rpartition("@")
            self._active[dataset, int(version)] = _read(path)

    async def close(self) -> None:
        self._staged.clear()

    async def stage(self, dataset: str, version: int, collection: Collection, rows: Rows) -> int:
        self._staged.pop((dataset, version), None)
        drawn = await _draw(rows, stored_schema(collection), collection.key)
        kept = Kept(_since(drawn, version), collection.key, version, generation=uuid.uuid4().hex)
        kept = replace(kept, rows=kept.rows.slice(0, 0)).changed(kept.rows)
        self._staged[dataset, version] = kept
        return kept.rows.num_rows

    async def stage_change(
        self, dataset: str, version: int, collection: Collection, changes: Rows, *, rebase: bool = False
    ) -> int:
        before = self._readable(dataset, version - 1)
        self._staged.pop((dataset, version), None)
        drawn = await _draw(changes, stored_schema(collection), collection.key)
        drawn = _since(drawn, version)
        rows, since = before.changed(drawn).rows.num_rows, before.changes + drawn.num_rows
        own = rebase or is_own_base(since, rows)
        base, since = (version, 0) if own else (before.base, since)
        self._staged[dataset, version] = Kept(drawn, collection.key, base, since)
        return rows

    async def staged_change(self, dataset: str, version: int, collection: Collection) -> AsyncIterator[pa.RecordBatch]:
        staged = self._staged.get((dataset, version))
        if staged is None or staged.generation:
            raise UnknownVersion(dataset=dataset, version=version)
        change = staged.rows.sort_by(staged.key)
        old = self._readable(dataset, version - 1).at(change[staged.key].to_pylist())
        for batch in _batches([change[staged.key], old[HASH], change[HASH]], effect_schema(collection)):
            yield batch

    async def activate(self, dataset: str, version: int, state: bytes = b"") -> None:
        staged = self._staged.get((dataset, version))
        if staged is None:
            self._readable(dataset, version)
            return
        if not staged.generation:
            before = self._readable(dataset, version - 1)
            newest = max(self._generation(dataset, before.generation) - {version})
            generation = before.generation if newest == version - 1 else uuid.uuid4().hex
            staged = replace(staged, rows=before.changed(staged.rows).rows, generation=generation)
        self._keep((dataset, version), replace(staged, state=state))
        self._unstage(dataset, version)

    async def state(self, dataset: str, version: int) -> bytes:
        return self._readable(dataset, version).state

    async def drop(self, dataset: str, version: int) -> None:
        self._unstage(dataset, version)
        if self._active.pop((dataset, version), None) is not None and self._folder:
            self._path((dataset, version)).unlink()

    async def tidy(self, dataset: str) -> bool:
        newest = max((version for name, version in self._active if name == dataset), default=0)
        self.tidied.append((dataset, newest))
        return False

    async def versions(self) -> list[StoredVersion]:
        return [StoredVersion(*key, kept.rows.num_rows) for key, kept in sorted(self._active.items())]

    async def compare(
        self, dataset: str, version: int, collection: Collection, rows: Rows
    ) -> AsyncIterator[pa.RecordBatch]:
        kept, schema = self._readable(dataset, version), difference_schema(collection)
        row_schema = pa.schema([schema.field(0), pa.field(HASH, pa.binary(32)), schema.field("_row")])
        given = Kept(await _draw(rows, row_schema, collection.key), collection.key)
        keys = _differing(kept, given)
        old = _conform(kept.at(keys), collection)
        columns = [pa.array(keys, schema.field(0).type), given.at(keys)["_row"], old[HASH]]
        columns += [old[GEOMETRY]] if collection.has_geometry else []
        for batch in _batches(columns, schema):
            yield batch

    async def look_up(
        self, dataset: str, version: int, collection: Collection, keys: pa.Array, names: Sequence[str]
    ) -> AsyncIterator[pa.RecordBatch]:
        rows = _conform(self._readable(dataset, version).rows, collection)
        found = rows.filter(pc.is_in(rows[collection.key], keys)).sort_by(collection.key)
        for batch in found.select(list(names)).to_batches():
            yield batch

    async def stored(self, dataset: str, version: int, collection: Collection) -> AsyncIterator[pa.RecordBatch]:
        for batch in _conform(self._readable(dataset, version).rows, collection).to_batches():
            yield batch

    async def changes(
        self, dataset: str, since: int, until: int, collection: Collection
    ) -> AsyncIterator[pa.RecordBatch]:
        old, new = self._readable(dataset, since), self._readable(dataset, until)
        keys, schema = _differing(old, new), change_schema(collection)
        before, after = (_conform(side.at(keys), collection) for side in (old, new))
        gone, came = pc.is_null(after[HASH]), pc.is_null(before[HASH])
        op = pc.if_else(came, "insert", pc.if_else(gone, "delete", "update"))
        structs = [_structs(side, schema.field("after").type) for side in (before, after)]
        for batch in _batches([pa.array(keys, schema.field(0).type), op, *structs], schema):
            yield batch

    async def mend(self, dataset: str, version: int, collection: Collection, rows: Rows) -> None:
        kept = self._readable(dataset, version)
        if version != max(number for name, number in self._active if name == dataset):
            raise UnknownVersion(dataset=dataset, version=version)
        schema = stored_schema(collection).append(pa.field(SINCE, pa.int64()))
        drawn = await _draw(rows, schema, collection.key)
        since = pc.min_element_wise(pc.fill_null(drawn[SINCE], version), version)
        for number in self._generation(dataset, kept.generation):
            right = drawn.set_column(drawn.schema.get_field_index(SINCE), SINCE, since)
            right = right.filter(pc.less_equal(since, number))
            self._keep((dataset, number), self._active[dataset, number].changed(right))

    async def scan(
        self, dataset: str, version: int, collection: Collection, scan: Scan
    ) -> AsyncIterator[pa.RecordBatch]:
        rows = _conform(self._readable(dataset, version).scanned(), collection)
        schema = arrow_schema(collection, scan.fields)
        if scan.sort:
            keys = [*((key.field, "descending" if key.descending else "ascending") for key in scan.sort)]
            rows = rows.sort_by([*keys, (collection.key, "ascending")])
        for batch in _batches(rows.slice(0, scan.limit or None).select(schema.names).columns, schema):
            yield batch

    def _readable(self, dataset: str, version: int) -> Kept:
        if (dataset, version) not in self._active:
            raise UnknownVersion(dataset=dataset, version=version)
        return self._active[dataset, version]

    def _generation(self, dataset: str, generation: str) -> set[int]:
        return {key[1] for key, kept in self._active.items() if key[0] == dataset and kept.generation == generation}

    def _unstage(self, dataset: str, version: int) -> None:
        """Forget what is staged of a version, and the staged change that would come after it."""
        self._staged.pop((dataset, version), None)
        after = self._staged.get((dataset, version + 1))
        if after is not None and not after.generation:
            del self._staged[dataset, version + 1]

    def _keep(self, version: Version, kept: Kept) -> None:
        if self._folder:
            path = self._path(version)
            metadata = {"key": kept.key, "generation": kept.generation, "state": kept.state}
            metadata |= {"base": str(kept.base), "changes": str(kept.changes)}
            pq.write_table(kept.rows.replace_schema_metadata(metadata), path.with_suffix(".part"))
            os.replace(path.with_suffix(".part"), path)
        self._active[version] = kept

    def _path(self, version: Version) -> Path:
        assert self._folder
        return self._folder / f"{version[0].replace('/', '+')}@{version[1]}.parquet"


def _read(path: Path) -> Kept:
    rows = pq.ParquetFile(path).read()
    metadata = rows.schema.metadata
    key, generation = metadata[b"key"].decode(), metadata[b"generation"].decode()
    base, changes = int(metadata[b"base"]), int(metadata[b"changes"])
    return Kept(rows.replace_schema_metadata(None), key, base, changes, generation, metadata[b"state"])


def _since(rows: pa.Table, version: int) -> pa.Table:
    return rows.append_column(SINCE, pa.array([version] * len(rows), pa.int64()))


async def _draw(rows: Rows, schema: pa.Schema, key: str) -> pa.Table:
    """Draw all rows in a thread, as a real store does."""
    batches = await asyncio.to_thread(lambda: list(rows()))
    drawn = pa.Table.from_batches([batch.select(schema.names).cast(schema) for batch in batches], schema)
    if len(pc.unique(drawn[key])) < len(drawn):
        raise StoreFailure(detail=f"two rows have one {key}")
    return drawn


def _differing(old: Kept, new: Kept) -> list[object]:
    """Return the keys whose rows have different hashes, or are on one side only, sorted."""
    keys = sorted({*old.rows[old.key].to_pylist(), *new.rows[new.key].to_pylist()})
    hashes = zip(keys, old.at(keys)[HASH].to_pylist(), new.at(keys)[HASH].to_pylist(), strict=True)
    return [key for key, before, after in hashes if before != after]


def _conform(rows: pa.Table, collection: Collection) -> pa.Table:
    """Give rows the columns of a newer definition: renamed, cast, or null."""
    before = {field.name: field.renamed_from for field in collection.fields}
    columns = []
    for field in stored_schema(collection):
        name = field.name if field.name in rows.column_names else before.get(field.name, "")
        found = rows[name] if name in rows.column_names else pa.nulls(len(rows), field.type)
        columns.append(found.cast(field.type))
    return pa.table(columns, stored_schema(collection))


def _structs(rows: pa.Table, kind: pa.StructType) -> pa.StructArray:
    """Return rows as structs, null where a row has no hash."""
    columns = [rows[field.name].combine_chunks() for field in kind]
    mask = pc.is_null(rows[HASH]).combine_chunks()
    return pa.StructArray.from_arrays(columns, fields=list(kind), mask=mask)


def _batches(columns: Sequence[pa.Array | pa.ChunkedArray], schema: pa.Schema) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = pa.table(list(columns), schema).to_batches(max_chunksize=1000)
    return [batch for batch in batches if batch.num_rows]
