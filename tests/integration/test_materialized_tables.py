"""Tables for others in the database of a PostGIS store: what they show, and what they refuse."""

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

from guotu.model.collection import Classification, Field, FieldType, GeometryType
from guotu.model.errors import Conflict, StoreFailure, UnknownVersion
from guotu.model.schema import arrow_schema
from node.stores.material import Brought, TableName
from node.stores.postgis.materialized.tables import PostgisMaterials
from node.stores.postgis.options import PostgisOptions
from node.stores.postgis.store import PostgisStore
from tests.support.databases import cluster, database_of, remove_database
from tests.support.features import COLLECTION, drawn, parcels, removed, sample_collection, stored_rows
from tests.support.material_parts import DATASET, SQL_NAME, TABLE, answered, quiet, release, renamed, shown
from tests.support.stores import apply, load

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

    async def make(self, version: int = 1, check: bool = False, **more: Any) -> Brought:
        return await self.tables.make(TABLE, release(version, **more), check, lambda *told: self.told.append(told))

    async def bring(self, version: int, **more: Any) -> Brought:
        return await self.tables.bring(release(version, **more), quiet)

    async def agrees(self, version: int, collection: Any = COLLECTION) -> None:
        rows = await answered(self.store, version, collection)
        assert rows
        assert await shown(self.gis, collection) == rows


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    options = PostgisOptions(database_of(tmp_path), connections=6, start_s=2.0)
    store = PostgisStore(options)
    await store.open()
    gis = await asyncpg.connect(options.url)
    made = Place(options, store, gis)
    await load(store, ROWS)
    yield made
    await made.tables.close()
    await store.close()
    await gis.close()
    remove_database(tmp_path)


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
        await asyncio.wait_for(place.bring(2), 20)
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
        while not done.is_set():
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


@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT INTO {SQL_NAME} (\"BSM\") VALUES ('x')",
        f"UPDATE {SQL_NAME} SET \"DLBM\" = 'x'",
        f"DELETE FROM {SQL_NAME}",
        f"TRUNCATE {SQL_NAME}",
        f"SET session_replication_role = replica; DELETE FROM {SQL_NAME}",
    ],
)
async def test_nobody_else_writes(place: Place, statement: str) -> None:
    """Neither the table's owner nor an administrator, who would need no right."""
    await place.make()
    name = place.options.url.rpartition("/")[2]
    said = cluster().sql(f"\\c {name}\n\\set ON_ERROR_STOP off\n{statement};\nSELECT count(*) FROM {SQL_NAME};")
    assert "900" in said
    if "role" not in statement:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"只读.*read-only"):
            await place.gis.execute(statement)
    await place.agrees(1)


async def readers(place: Place) -> list[str]:
    """Return who has rights on the table besides its owner."""
    asked = f"SELECT array_to_string(relacl, ' ') FROM pg_class WHERE oid = '{SQL_NAME}'::regclass"
    return [item for item in (await place.gis.fetchval(asked) or "").split() if not item.startswith("guotu=")]


async def test_others_may_read_who_may_use_the_schema_unless_it_is_secret(place: Place) -> None:
    await place.make()
    assert await readers(place) == ["=r/guotu"]
    before = await shown(place.gis)
    secret = replace(COLLECTION, classification=Classification.SECRET, title="机要图斑")
    done = await place.bring(1, collection=secret)
    assert (await readers(place), done.inserted, done.updated, done.deleted) == ([], 0, 0, 0)
    assert "机要图斑" in await place.gis.fetchval(f"SELECT obj_description('{SQL_NAME}'::regclass)")
    assert await shown(place.gis) == before
    await place.tables.drop(DATASET)
    await place.make(collection=secret)
    assert await readers(place) == []


async def test_who_got_round_the_guard_is_noticed(place: Place) -> None:
    await place.make()
    await place.gis.execute(
        f"ALTER TABLE {SQL_NAME} DISABLE TRIGGER USER; DELETE FROM {SQL_NAME} WHERE \"BSM\" = '{KEYS[0]}'"
    )
    assert (await place.bring(1)).inserted == 1
    await place.agrees(1)
    switch = f"ALTER TABLE {SQL_NAME} {{}} TRIGGER USER"
    await place.gis.execute(f"{switch.format('DISABLE')}; DELETE FROM {SQL_NAME}; {switch.format('ENABLE')}")
    await apply(place.store, removed(KEYS[1:3]), 2)
    assert (await place.bring(2)).inserted == 898
    await place.agrees(2)


async def test_a_check_finds_what_differs(place: Place) -> None:
    await place.make()
    always = "; ".join(f"ALTER TABLE {SQL_NAME} ENABLE ALWAYS TRIGGER guotu_guard{end}" for end in ("", "_truncate"))
    await place.gis.execute(f"ALTER TABLE {SQL_NAME} DISABLE TRIGGER USER")
    await place.gis.execute(f"UPDATE {SQL_NAME} SET \"DLBM\" = 'x', geometry = NULL WHERE \"BSM\" = '{KEYS[5]}'")
    await place.gis.execute(always)
    assert (await place.make()).updated == 0
    assert (await place.make(check=True)).updated == 1
    await place.agrees(1)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await place.gis.execute(f"DELETE FROM {SQL_NAME}")


async def test_a_table_of_others_is_left_alone(place: Place) -> None:
    await place.gis.execute(f"CREATE SCHEMA gis; CREATE TABLE {SQL_NAME} (mine int); INSERT INTO {SQL_NAME} VALUES (7)")
    with pytest.raises(Conflict, match="not guotu's"):
        await place.make()
    assert await place.gis.fetchval(f"SELECT mine FROM {SQL_NAME}") == 7
    assert not await place.tables.listed()


async def test_a_dropped_table_is_told_and_made_anew(place: Place) -> None:
    await place.make()
    await place.gis.execute(f"DROP TABLE {SQL_NAME}")
    with pytest.raises(Conflict, match=r"dropped.*guotu materialize 510000/tb --into gis"):
        await place.bring(1)
    assert (await place.make()).created
    await place.agrees(1)
    await place.gis.execute(f"DROP TABLE {SQL_NAME}; CREATE TABLE {SQL_NAME} (mine int)")
    with pytest.raises(Conflict, match="left alone"):
        await place.bring(1)
    await place.tables.drop(DATASET)
    assert await place.gis.fetchval(f"SELECT count(*) FROM {SQL_NAME}") == 0
    assert not await place.tables.listed()


async def test_one_table_a_dataset(place: Place) -> None:
    await place.make()
    with pytest.raises(Conflict, match="guotu dematerialize"):
        await place.tables.make(TableName("gis", "other"), release(1), False, quiet)
    await place.gis.execute(f"DROP TABLE {SQL_NAME}")
    with pytest.raises(Conflict, match=f"guotu dematerialize {DATASET}"):
        await place.tables.make(TABLE, release(1, dataset="510000/other"), False, quiet)


async def test_users_views_survive_versions_and_hold_a_drop_up(place: Place) -> None:
    await place.make()
    await place.gis.execute(
        f'CREATE VIEW public.mine AS SELECT "BSM", "DLBM", geometry FROM {SQL_NAME};'
        f'CREATE MATERIALIZED VIEW public.kept AS SELECT "TBMJ" FROM {SQL_NAME};'
        f"CREATE TABLE public.notes (plot text REFERENCES {SQL_NAME}); INSERT INTO notes VALUES ('{KEYS[3]}')"
    )
    await apply(place.store, pa.concat_tables([OTHERS.slice(0, 20), removed(KEYS[30:40])]), 2)
    await place.bring(2)
    rows = await place.gis.fetchval("SELECT count(*) FROM public.mine")
    assert rows == len(await answered(place.store, 2))
    with pytest.raises(Conflict) as refused:
        await place.tables.drop(DATASET)
    assert all(word in str(refused.value) for word in ("view mine", "materialized view kept", "notes"))
    await place.gis.execute("DROP VIEW mine; DROP MATERIALIZED VIEW kept; DROP TABLE notes")
    await place.tables.drop(DATASET)
    assert await place.gis.fetchval("SELECT to_regclass($1)", SQL_NAME) is None
    await place.tables.drop(DATASET)


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


async def test_views_that_need_a_column_hold_another_definition_up(place: Place) -> None:
    await place.make()
    before = await shown(place.gis)
    await place.gis.execute(f'CREATE VIEW public.mine AS SELECT "KCXS" FROM {SQL_NAME}')
    fields = tuple(field for field in COLLECTION.fields if field.name != "KCXS")
    new = replace(COLLECTION, fields=fields)
    await load(place.store, ROWS.drop_columns("KCXS").cast(arrow_schema(new)), 2, new)
    with pytest.raises(Conflict, match="view mine"):
        await place.bring(2, collection=new)
    assert await shown(place.gis) == before
    await place.gis.execute("DROP VIEW mine")
    await place.bring(2, collection=new)
    await place.agrees(2, new)


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


async def test_lacking_rights_are_told_with_the_grant(place: Place) -> None:
    name = place.options.url.rpartition("/")[2]
    cluster().sql(f"ALTER DATABASE {name} OWNER TO postgres; REVOKE CREATE ON DATABASE {name} FROM guotu")
    with pytest.raises(StoreFailure, match='CREATE SCHEMA "gis" AUTHORIZATION guotu'):
        await place.make()
    cluster().sql(f"\\c {name}\nCREATE SCHEMA gis")
    with pytest.raises(StoreFailure, match='GRANT CREATE, USAGE ON SCHEMA "gis" TO guotu'):
        await place.make()
    cluster().sql(f"\\c {name}\nGRANT CREATE, USAGE ON SCHEMA gis TO guotu")
    assert (await place.make()).created


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
    name = place.options.url.rpartition("/")[2]
    cluster().sql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{name}' AND application_name = 'guotu'"
    )
    await apply(place.store, removed(KEYS[:9]), 2)
    with suppress(StoreFailure):
        await place.bring(2)
    await place.bring(2)
    await place.agrees(2)


async def test_a_version_that_is_not_there(place: Place) -> None:
    with pytest.raises(UnknownVersion):
        await place.make(7)
    assert await place.gis.fetchval("SELECT to_regnamespace('gis')") is None


@pytest.mark.parametrize(
    "text", ["x", "a.b.c", ".b", "a.", "guotu.x", "pg_catalog.x", 'a."b"', f"a.{'长' * 30}", "a.b\0"]
)
def test_names_that_no_table_may_have(text: str) -> None:
    with pytest.raises(ValueError, match=r"SCHEMA\.TABLE|not for users"):
        TableName.parse(text)
