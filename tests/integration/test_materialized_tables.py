"""Tables for others in the database of a PostGIS store: what they show, from version to version."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow as pa
import pytest
import pytest_asyncio
import shapely

from guotu.model.collection import Field, FieldType, GeometryType
from guotu.model.errors import StoreFailure
from guotu.model.schema import arrow_schema
from tests.support.databases import cluster, end_connections
from tests.support.features import COLLECTION, drawn, parcels, removed, sample_collection, stored_rows
from tests.support.material_parts import DATASET, SQL_NAME, TABLE, release, renamed, shown
from tests.support.material_place import KEYS, OTHERS, ROWS, Place, opened_place
from tests.support.stores import apply, load


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with opened_place(tmp_path) as made:
        yield made


async def test_a_gis_client_finds_an_ordinary_table(place: Place) -> None:
    brought = await place.make()
    assert (brought.created, brought.inserted, brought.material.rows) == (True, 900, 900)
    assert place.told[0] == ("load", 0, 900)
    assert ("load", 900, 900) in place.told
    await place.agrees(1)
    row = await place.gis.fetchrow("SELECT * FROM geometry_columns WHERE f_table_schema = 'gis'")
    assert (row["f_table_name"], row["f_geometry_column"], row["type"]) == (TABLE.table, "geometry", "MULTIPOLYGON")
    assert (row["srid"], row["coord_dimension"]) == (4490, 2)
    types = dict(
        await place.gis.fetch(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            f"WHERE attrelid = '{SQL_NAME}'::regclass AND attnum > 0"
        )
    )
    assert types["TBMJ"] == "numeric(15,2)"
    assert {types["BSM"], types["DCRQ"], types["SFYX"], types["GDDB"], types["KCXS"]} == {
        "text", "date", "boolean", "bigint", "double precision",
    }  # fmt: skip
    assert list(types) == list(COLLECTION.column_names)
    said = await place.gis.fetchval(f"SELECT obj_description('{SQL_NAME}'::regclass)")
    assert all(word in said for word in ("样例图斑", "sample parcels", "510000/tb", "version 1", "2025-11-28", "只读"))
    area = await place.gis.fetchval(f"SELECT col_description('{SQL_NAME}'::regclass, 4)")
    assert area.startswith("图斑面积")


async def test_windows_follow_the_index(place: Place) -> None:
    rows = parcels(6000, seed=5)
    await place.store.drop(DATASET, 1)
    await load(place.store, rows)
    await place.make()
    window = "geometry && ST_MakeEnvelope(101, 27, 101.02, 27.02, 4490)"
    plan = [row[0] for row in await place.gis.fetch(f"EXPLAIN SELECT * FROM {SQL_NAME} WHERE {window}")]
    assert any("geometry_idx" in line for line in plan), plan
    plan = [row[0] for row in await place.gis.fetch(f"EXPLAIN SELECT * FROM {SQL_NAME} WHERE \"BSM\" = '{KEYS[4]}'")]
    assert any("pkey" in line for line in plan), plan


async def test_the_same_again_changes_nothing(place: Place) -> None:
    first = await place.make()
    marks = "SELECT sum(xmin::text::bigint) FROM "
    before = await place.gis.fetchval(marks + SQL_NAME)
    again = await place.make()
    assert (again.created, again.inserted, again.updated, again.deleted) == (False, 0, 0, 0)
    assert again.material == first.material
    assert await place.gis.fetchval(marks + SQL_NAME) == before
    assert [item.dataset for item in await place.tables.listed()] == [DATASET]


async def test_changes_are_followed(place: Place) -> None:
    await place.make()
    oid = await place.gis.fetchval(f"SELECT '{SQL_NAME}'::regclass::oid")
    await apply(place.store, pa.concat_tables([OTHERS.slice(0, 20), removed(KEYS[30:40])]), 2)
    second = await place.bring(2)
    assert second.deleted + second.updated + second.inserted <= 30
    assert (await place.bring(2)).inserted == 0
    await place.agrees(2)
    await apply(place.store, removed(KEYS[50:55]), 3)
    await apply(place.store, OTHERS.slice(500, 300), 4)
    await apply(place.store, stored_rows(ROWS.slice(0, 60)), 5)
    await place.store.tidy(DATASET)
    await place.bring(4)
    await place.agrees(4)
    assert (await place.bring(5)).material.version == 5
    await place.agrees(5)
    assert await place.gis.fetchval(f"SELECT '{SQL_NAME}'::regclass::oid") == oid


async def test_a_new_base_and_versions_let_go_are_followed(place: Place) -> None:
    await place.make()
    for version in (2, 3):
        await apply(place.store, OTHERS.slice(version * 100, 50), version)
    await place.store.drop(DATASET, 1)
    await place.store.drop(DATASET, 2)
    await place.bring(3)
    await place.agrees(3)
    await place.store.stage(DATASET, 4, COLLECTION, drawn(OTHERS))
    await place.store.activate(DATASET, 4)
    brought = await place.bring(4)
    assert brought.material.rows == OTHERS.num_rows
    await place.agrees(4)
    await place.store.drop(DATASET, 4)
    assert (await place.bring(3)).material.version == 3
    await place.agrees(3)


async def test_another_version_of_the_same_number_is_not_taken_for_it(place: Place) -> None:
    await apply(place.store, OTHERS.slice(0, 50), 2)
    await place.make(2)
    await place.store.drop(DATASET, 2)
    await apply(place.store, OTHERS.slice(100, 50), 2)
    await apply(place.store, OTHERS.slice(200, 50), 3)
    await place.bring(3)
    await place.agrees(3)


async def test_rows_put_right_in_the_store_come_right(place: Place) -> None:
    await place.make()
    wrong = OTHERS.slice(0, 5)
    mended = wrong.append_column("_since", pa.array([1] * 5, pa.int64()))
    await place.store.mend(DATASET, 1, COLLECTION, drawn(mended))
    assert (await place.bring(1)).updated == 5
    await place.agrees(1)


async def test_a_reader_sees_one_version_throughout(place: Place) -> None:
    await place.make()
    before = await shown(place.gis)
    async with place.gis.transaction(isolation="repeatable_read"):
        assert await shown(place.gis) == before
        await apply(place.store, OTHERS.slice(0, 400), 2)
        await asyncio.wait_for(place.bring(2), 60)
        assert await shown(place.gis) == before
    await place.agrees(2)


async def test_readers_never_see_a_mix(place: Place) -> None:
    """Each version gives all rows the same whole number, which is the version's."""
    numbered = {version: with_number(version) for version in range(1, 6)}
    await place.store.drop(DATASET, 1)
    await load(place.store, numbered[1])
    await place.make()
    seen: set[tuple[int, int, int]] = set()
    done = asyncio.Event()

    async def look() -> None:
        connection = await asyncpg.connect(place.options.url)
        last = False
        while not last:
            last = done.is_set()
            seen.add(tuple(await connection.fetchrow(f'SELECT min("GDDB"), max("GDDB"), count(*) FROM {SQL_NAME}')))
        await connection.close()

    looking = [asyncio.create_task(look()) for _ in range(2)]
    for version in range(2, 6):
        await apply(place.store, stored_rows(numbered[version]), version)
        await place.bring(version)
    done.set()
    await asyncio.gather(*looking)
    assert all(low == high and count == 300 for low, high, count in seen), seen
    assert seen


def with_number(number: int) -> pa.Table:
    rows = parcels(300, seed=number)
    return rows.set_column(5, rows.schema.field("GDDB"), pa.array([number] * 300))


def newer() -> Any:
    """DLBM is renamed, TBMJ wider, GDDB a DOUBLE, KCXS gone, and BZ new."""
    fields = {field.name: field for field in renamed(COLLECTION, "DLBM", "DLDM").fields}
    fields["TBMJ"] = replace(fields["TBMJ"], width=18, decimals=4)
    fields["GDDB"] = replace(fields["GDDB"], type=FieldType.DOUBLE)
    del fields["KCXS"]
    fields["BZ"] = Field("BZ", "备注", FieldType.TEXT, length=50)
    return replace(COLLECTION, fields=tuple(fields.values()))


async def test_another_definition_is_followed_in_place(place: Place) -> None:
    await place.make()
    await place.gis.execute(f'CREATE VIEW public.mine AS SELECT "DLBM" AS code FROM {SQL_NAME}')
    oid = await place.gis.fetchval(f"SELECT '{SQL_NAME}'::regclass::oid")
    new = newer()
    rows = pa.table(
        {
            **{name: parcels(700, seed=8)[name] for name in COLLECTION.column_names},
            "DLDM": parcels(700, seed=8)["DLBM"],
            "GDDB": parcels(700, seed=8)["GDDB"].cast(pa.float64()),
            "BZ": pa.array(["备注"] * 700),
        }
    ).select(new.column_names)
    await load(place.store, rows.cast(arrow_schema(new)), 2, new)
    await place.bring(2, collection=new)
    await place.agrees(2, new)
    assert await place.gis.fetchval(f"SELECT '{SQL_NAME}'::regclass::oid") == oid
    assert await place.gis.fetchval("SELECT count(code) FROM public.mine") > 0
    said = await place.gis.fetchval(
        f"SELECT col_description('{SQL_NAME}'::regclass, attnum) FROM pg_attribute "
        f"WHERE attrelid = '{SQL_NAME}'::regclass AND attname = 'BZ'"
    )
    assert said.startswith("备注")
    await apply(place.store, removed(KEYS[:9], new), 3, new)
    await place.bring(3, collection=new)
    await place.agrees(3, new)


async def test_another_key_and_other_geometries_are_followed_in_place(place: Place) -> None:
    await place.make()
    new = replace(sample_collection(GeometryType.POINT), key="GDDB")
    rows = ROWS.slice(0, 50).set_column(5, ROWS.schema.field("GDDB"), pa.array(range(50)))
    points = shapely.to_wkb(shapely.points([[103 + n / 100, 30] for n in range(50)]))
    rows = rows.set_column(9, rows.schema.field("geometry"), pa.array(points, pa.binary()))
    await load(place.store, rows.cast(arrow_schema(new)), 2, new)
    await place.bring(2, collection=new)
    await place.agrees(2, new)
    row = await place.gis.fetchrow("SELECT type, srid FROM geometry_columns WHERE f_table_schema = 'gis'")
    assert tuple(row) == ("MULTIPOINT", 4490)


async def test_a_collection_without_geometries(place: Place) -> None:
    plain = sample_collection(GeometryType.NONE)
    await load(place.store, ROWS.drop_columns("geometry").cast(arrow_schema(plain)), 2, plain)
    await place.make(2, collection=plain)
    await place.agrees(2, plain)
    await load(place.store, ROWS, 3)
    await place.bring(3)
    await place.agrees(3)


async def test_a_cancelled_work_leaves_nothing(place: Place) -> None:
    reached = asyncio.Event()
    making = asyncio.create_task(place.tables.make(TABLE, release(1), False, lambda *told: reached.set()))
    await reached.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert await place.gis.fetchval("SELECT to_regnamespace('gis')") is None
    assert (await place.make()).created
    await place.agrees(1)


async def test_a_lost_connection_is_replaced(place: Place) -> None:
    await place.make()
    name = place.database
    cluster().sql(end_connections(f"datname = '{name}' AND application_name = 'guotu'"))
    await apply(place.store, removed(KEYS[:9]), 2)
    with suppress(StoreFailure):
        await place.bring(2)
    await place.bring(2)
    await place.agrees(2)
