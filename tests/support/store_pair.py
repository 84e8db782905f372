"""A DuckDB store and a PostGIS store that are told the same, and must answer the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.errors import GuotuError
from guotu.model.ports import FeatureStore, Grouping, Scan
from guotu.model.schema import stored_schema
from tests.support.features import drawn
from tests.support.stores import STORES, fetch, make_store, remove_store, whole

T = TypeVar("T")


class StorePair:
    """Both stores, open, and the loop that they live in."""

    def __init__(self, runner: asyncio.Runner, folder: Path) -> None:
        self._runner = runner
        self._folders = {kind: folder / kind for kind in STORES}
        self._stores = {kind: make_store(kind, at) for kind, at in self._folders.items()}
        for store in self._stores.values():
            runner.run(store.open())

    def close(self) -> None:
        """Close both."""
        for kind, store in self._stores.items():
            self._runner.run(store.close())
            remove_store(kind, self._folders[kind])

    def both(self, ask: Callable[[FeatureStore], Awaitable[T]]) -> list[T | type[GuotuError]]:
        """Ask both stores; returns what each answers, or the kind of error that it raises."""

        async def answer(store: FeatureStore) -> T | type[GuotuError]:
            try:
                return await ask(store)
            except GuotuError as error:
                return type(error)

        return [self._runner.run(answer(store)) for store in self._stores.values()]

    def one(self, ask: Callable[[FeatureStore], Coroutine[Any, Any, T]]) -> T:
        """Ask the first store alone."""
        return self._runner.run(ask(next(iter(self._stores.values()))))

    def load(self, dataset: str, version: int, collection: Collection, rows: pa.Table) -> None:
        """Make rows, as a store takes them, a version of their own in both."""

        async def load(store: FeatureStore) -> None:
            await store.stage(dataset, version, collection, drawn(rows))
            await store.activate(dataset, version)

        assert self.both(load) == [None, None]

    def apply(self, dataset: str, version: int, collection: Collection, changes: pa.Table) -> None:
        """Make a version of the one before it in both."""

        async def apply(store: FeatureStore) -> None:
            await store.stage_change(dataset, version, collection, drawn(changes))
            await store.activate(dataset, version)

        assert self.both(apply) == [None, None]

    def drop(self, dataset: str, version: int) -> None:
        """Remove a version from both."""
        self.both(lambda store: store.drop(dataset, version))

    def scanned(
        self, dataset: str, version: int, collection: Collection, scan: Scan
    ) -> list[pa.Table | type[GuotuError]]:
        """Return what both give for a scan."""
        return self.both(lambda store: fetch(store, collection, scan, dataset, version))

    def stored(self, dataset: str, version: int, collection: Collection) -> list[pa.Table | type[GuotuError]]:
        """Return all that both have of a version."""
        return self.both(lambda store: whole(store.stored(dataset, version, collection), stored_schema(collection)))

    def grouped(
        self, dataset: str, version: int, collection: Collection, grouping: Grouping
    ) -> list[list[str] | type[GuotuError]]:
        """Return the groups of both, as sorted lists of what they print as, so that NaN is equal to itself."""

        async def grouped(store: FeatureStore) -> list[str]:
            table = await store.aggregate(dataset, version, collection, grouping)
            return [str(table.schema), *sorted(map(repr, table.to_pylist()))]

        return self.both(grouped)


def same(answers: list[pa.Table | type[GuotuError]]) -> bool:
    """Tell whether both answers are equal, to the bit of every number."""
    first, second = answers
    if not (isinstance(first, pa.Table) and isinstance(second, pa.Table)):
        return first == second
    if not first.schema.equals(second.schema, check_metadata=True):
        return False
    return [repr(row) for row in first.to_pylist()] == [repr(row) for row in second.to_pylist()]
