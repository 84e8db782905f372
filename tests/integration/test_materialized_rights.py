"""Tables for others in the database of a PostGIS store: what they refuse, and what of others' is left alone."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pyarrow as pa
import pytest
import pytest_asyncio

from guotu.model.collection import Classification
from guotu.model.errors import Conflict, StoreFailure, UnknownVersion
from guotu.model.schema import arrow_schema
from node.stores.material import TableName
from tests.support.databases import cluster
from tests.support.features import COLLECTION, removed
from tests.support.material_parts import DATASET, SQL_NAME, TABLE, answered, quiet, release, shown
from tests.support.material_place import KEYS, OTHERS, ROWS, Place, opened_place
from tests.support.stores import apply, load


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with opened_place(tmp_path) as made:
        yield made


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
    name = place.database
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


async def test_lacking_rights_are_told_with_the_grant(place: Place) -> None:
    name = place.database
    cluster().sql(f"ALTER DATABASE {name} OWNER TO postgres; REVOKE CREATE ON DATABASE {name} FROM guotu")
    with pytest.raises(StoreFailure, match='CREATE SCHEMA "gis" AUTHORIZATION guotu'):
        await place.make()
    cluster().sql(f"\\c {name}\nCREATE SCHEMA gis")
    with pytest.raises(StoreFailure, match='GRANT CREATE, USAGE ON SCHEMA "gis" TO guotu'):
        await place.make()
    cluster().sql(f"\\c {name}\nGRANT CREATE, USAGE ON SCHEMA gis TO guotu")
    assert (await place.make()).created


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
