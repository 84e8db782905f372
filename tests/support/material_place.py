"""A store, its tables for others, and somebody who reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from guotu.model.collection import Collection
from node.stores.material import Brought
from node.stores.postgis.materialized.tables import PostgisMaterials
from node.stores.postgis.options import PostgisOptions
from node.stores.postgis.store import PostgisStore
from tests.support.databases import database_of, remove_database
from tests.support.features import COLLECTION, parcels, stored_rows
from tests.support.material_parts import TABLE, answered, quiet, release, shown
from tests.support.stores import load

ROWS = parcels(900)
KEYS = ROWS["BSM"].to_pylist()
OTHERS = stored_rows(parcels(1000, seed=3))
"""The same keys with other values, and a hundred keys more."""


class Place:
    """A store, its tables for others, and a connection of another application."""

    def __init__(self, options: PostgisOptions, store: PostgisStore, gis: Any) -> None:
        self.options = options
        self.store = store
        self.gis = gis
        self.tables = PostgisMaterials(options)
        self.told: list[tuple[str, int, int]] = []

    @property
    def database(self) -> str:
        """Name of the database."""
        return self.options.url.rpartition("/")[2]

    async def make(self, version: int = 1, check: bool = False, **more: Any) -> Brought:
        """Make the table, or bring it to a version."""
        return await self.tables.make(TABLE, release(version, **more), check, lambda *told: self.told.append(told))

    async def bring(self, version: int, **more: Any) -> Brought:
        """Bring the table to a version."""
        return await self.tables.bring(release(version, **more), quiet)

    async def agrees(self, version: int, collection: Collection = COLLECTION) -> None:
        """Hold the table against what the store answers from a version."""
        rows = await answered(self.store, version, collection)
        assert rows
        assert await shown(self.gis, collection) == rows


@asynccontextmanager
async def opened_place(folder: Path) -> AsyncIterator[Place]:
    """Open a place whose dataset has one version, of ROWS."""
    options = PostgisOptions(database_of(folder), connections=6, start_s=60.0)
    store = PostgisStore(options)
    await store.open()
    gis = await asyncpg.connect(options.url)
    made = Place(options, store, gis)
    await load(store, ROWS)
    yield made
    await made.tables.close()
    await store.close()
    await gis.close()
    remove_database(folder)
