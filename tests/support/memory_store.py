"""A small feature store for tests of `sync`: rows in memory, readable versions also on disk if a folder is given."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from guotu.model.collection import Collection
from guotu.model.errors import StoreFailure, UnknownVersion
from guotu.model.ports import Scan, StoredVersion
from guotu.model.schema import arrow_schema

Version = tuple[str, int]


class MemoryStore:
    """Stages, activates, drops and scans whole versions; no filters, no aggregation.

    With a folder it keeps what is readable over the death of its process, as a real store does.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._staged: dict[Version, pa.Table] = {}
        self._active: dict[Version, pa.Table] = {}

    async def open(self) -> None:
        self._staged.clear()
        for path in sorted(self._folder.glob("*.parquet")) if self._folder else []:
            dataset, _, version = path.stem.replace("+", "/").rpartition("@")
            self._active[dataset, int(version)] = pq.read_table(path)

    async def close(self) -> None:
        self._staged.clear()

    async def stage(self, dataset: str, version: int, collection: Collection, chunks: Sequence[Path]) -> int:
        schema = arrow_schema(collection)
        tables = [pq.ParquetFile(path).read(columns=schema.names) for path in chunks]
        self._staged[dataset, version] = pa.concat_tables([schema.empty_table(), *tables])
        return self._staged[dataset, version].num_rows

    async def activate(self, dataset: str, version: int) -> None:
        if (dataset, version) in self._active:
            return
        if (dataset, version) not in self._staged:
            raise StoreFailure(detail=f"{dataset}@{version} is not staged")
        table = self._staged.pop((dataset, version))
        if self._folder:
            path = self._path(dataset, version)
            pq.write_table(table, path.with_suffix(".part"))
            os.replace(path.with_suffix(".part"), path)
        self._active[dataset, version] = table

    async def drop(self, dataset: str, version: int) -> None:
        self._staged.pop((dataset, version), None)
        if self._active.pop((dataset, version), None) is not None and self._folder:
            self._path(dataset, version).unlink()

    async def versions(self) -> list[StoredVersion]:
        return [StoredVersion(*key, table.num_rows) for key, table in sorted(self._active.items())]

    async def scan(
        self, dataset: str, version: int, collection: Collection, scan: Scan
    ) -> AsyncIterator[pa.RecordBatch]:
        if (dataset, version) not in self._active:
            raise UnknownVersion(dataset=dataset, version=version)
        for batch in self._active[dataset, version].select(scan.fields).to_batches():
            yield batch

    def staged(self) -> list[Version]:
        """List what is staged and not active."""
        return sorted(self._staged)

    def _path(self, dataset: str, version: int) -> Path:
        assert self._folder
        return self._folder / f"{dataset.replace('/', '+')}@{version}.parquet"
