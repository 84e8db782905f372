"""A table for others shows just the rows of the version it was brought to, whatever led from one to the other."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from guotu.model.collection import Collection, Field, FieldType
from guotu.model.schema import arrow_schema
from node.stores.material import Release
from node.stores.postgis.materialized.tables import PostgisMaterials
from node.stores.postgis.options import PostgisOptions
from node.stores.postgis.store import PostgisStore
from tests.support.databases import database_of, remove_database
from tests.support.features import COLLECTION, drawn, parcels, removed, stored_rows
from tests.support.material_parts import DATASET, TABLE, answered, quiet, release, renamed, shown
from tests.support.stores import apply

ROWS = 40
NEWER = renamed(COLLECTION, "DLBM", "DLDM")
NEWER = replace(NEWER, fields=(*NEWER.fields, Field("BZ", "备注", FieldType.TEXT, length=50)))
STEP = st.one_of(
    st.tuples(st.just("change"), st.integers(0, 9), st.integers(0, ROWS - 1), st.integers(0, 12), st.integers(0, 5)),
    st.tuples(st.just("change"), st.integers(0, 9), st.integers(0, ROWS - 1), st.integers(0, 12), st.integers(0, 5)),
    st.tuples(st.sampled_from(["whole", "mend"]), st.integers(0, 9)),
    st.tuples(st.sampled_from(["tidy", "let go", "back", "evolve", "bring"])),
)


class Yard:
    """A store and a table beside it, both of one dataset, and the loop that they live in."""

    def __init__(self, runner: asyncio.Runner, folder: Path) -> None:
        options = PostgisOptions(database_of(folder), connections=4)
        self.run = runner.run
        self.store = PostgisStore(options)
        self.tables = PostgisMaterials(options)
        self.run(self.store.open())
        self.gis = self.run(asyncpg.connect(options.url))

    def close(self) -> None:
        self.run(self.tables.close())
        self.run(self.store.close())
        self.run(self.gis.close())


class History:
    """Versions of the dataset, one after the other."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.collection: Collection = COLLECTION
        self.version = 0
        self.collections: dict[int, Collection] = {}
        self.writes = 0

    async def begin(self, seed: int) -> None:
        await self.whole(seed)
        await self.yard.tables.make(TABLE, self.release(), False, quiet)

    async def take(self, step: tuple[object, ...]) -> None:
        kind, *words = step
        event(str(kind))
        if kind == "bring":
            await self.bring()
        else:
            await getattr(self, str(kind).replace(" ", "_"))(*words)

    async def bring(self) -> None:
        await self.yard.tables.bring(self.release(), quiet)
        expected = await answered(self.yard.store, self.version, self.collection)
        assert await shown(self.yard.gis, self.collection) == expected

    async def change(self, seed: int, start: int, upserts: int, deletes: int) -> None:
        rows = self.rows(seed)
        gone = rows["BSM"].to_pylist()[start : start + deletes]
        upserted = rows.slice((start + deletes) % ROWS, upserts)
        changes = pa.concat_tables([upserted, removed(gone, self.collection)])
        await apply(self.yard.store, changes, self.version + 1, self.collection)
        self.moved(1)

    async def whole(self, seed: int) -> None:
        await self.yard.store.stage(DATASET, self.version + 1, self.collection, drawn(self.rows(seed)))
        await self.yard.store.activate(DATASET, self.version + 1)
        self.moved(1)

    async def mend(self, seed: int) -> None:
        rows = self.rows(seed).slice(seed, 3)
        right = rows.append_column("_since", pa.array([None] * len(rows), pa.int64()))
        await self.yard.store.mend(DATASET, self.version, self.collection, drawn(right))

    async def tidy(self) -> None:
        await self.yard.store.tidy(DATASET)

    async def let_go(self) -> None:
        """Let the oldest version go."""
        kept = [item.version for item in await self.yard.store.versions()]
        if len(kept) > 1:
            await self.yard.store.drop(DATASET, kept[0])

    async def back(self) -> None:
        """Take the newest version back, which another will have the number of."""
        kept = [item.version for item in await self.yard.store.versions()]
        if len(kept) > 1:
            await self.yard.store.drop(DATASET, kept[-1])
            self.collection = self.collections[kept[-2]]
            self.moved(kept[-2] - self.version)

    async def evolve(self) -> None:
        self.collection = NEWER
        await self.whole(5)

    async def end(self) -> None:
        await self.yard.tables.drop(DATASET)
        for item in await self.yard.store.versions():
            await self.yard.store.drop(DATASET, item.version)

    def moved(self, by: int) -> None:
        self.version += by
        self.writes += 1
        self.collections[self.version] = self.collection

    def rows(self, seed: int) -> pa.Table:
        table = parcels(ROWS, seed)
        if self.collection is NEWER:
            columns = {name: table[name] for name in COLLECTION.column_names}
            columns |= {"DLDM": columns["DLBM"], "BZ": pa.array([f"第 {seed} 次"] * ROWS)}
            table = pa.table({name: columns[name] for name in NEWER.column_names}).cast(arrow_schema(NEWER))
        return stored_rows(table, self.collection)

    def release(self) -> Release:
        return release(self.version, self.collection, f"{self.writes:064x}")


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("yard")
    with asyncio.Runner() as runner:
        made = Yard(runner, folder)
        yield made
        made.close()
    remove_database(folder)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 9), steps=st.lists(STEP, min_size=2, max_size=10))
def test_a_table_shows_the_version_it_was_brought_to(yard: Yard, seed: int, steps: list[tuple[object, ...]]) -> None:
    history = History(yard)
    try:
        yard.run(history.begin(seed))
        for step in [*steps, ("bring",)]:
            yard.run(history.take(step))
    finally:
        yard.run(history.end())
