"""The PostGIS store and what a database stands on: its disk, and the line to it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
import trustme

from benchmarks.pg_cluster import reachable_folder
from guotu.model.errors import DiskFull, StoreFailure
from guotu.model.ports import Scan
from node.stores.postgis.options import PostgisOptions
from node.stores.postgis.store import PostgisStore
from tests.support.databases import authority, cluster
from tests.support.features import COLLECTION, parcels, stored_rows
from tests.support.small_disk import SmallDisk
from tests.support.stores import apply, fetch, load

EVERYTHING = Scan(COLLECTION.column_names)
SPACE = "small_disk"


@pytest.fixture
def disk(options: PostgisOptions) -> Iterator[SmallDisk]:
    """A small disk that the tables of the database lie on."""
    root = Path(tempfile.mkdtemp(prefix="gt-"))
    made = SmallDisk(root / "disk", 64)
    database = options.url.rpartition("/")[2]
    cluster().sql(f"CREATE TABLESPACE {SPACE} LOCATION '{reachable_folder(made.path / 'space')}'")
    cluster().sql(f"GRANT CREATE ON TABLESPACE {SPACE} TO guotu")
    cluster().sql(f"ALTER DATABASE {database} SET default_tablespace = '{SPACE}'")
    yield made
    made.clear()
    cluster().sql(f"ALTER DATABASE {database} RESET default_tablespace")
    cluster().sql(f"\\c {database}\nDROP SCHEMA guotu CASCADE")
    cluster().sql(f"DROP TABLESPACE {SPACE}")
    made.close()
    shutil.rmtree(root)


async def test_a_full_disk_is_told_and_changes_nothing(options: PostgisOptions, disk: SmallDisk) -> None:
    store = PostgisStore(options)
    await store.open()
    try:
        before = parcels(1000)
        await load(store, before)
        held = await fetch(store, COLLECTION, EVERYTHING)
        disk.leave(1 << 20)
        for work in (
            lambda: load(store, parcels(30_000, 1), version=2),
            lambda: apply(store, stored_rows(parcels(30_000, 1)), 2),
        ):
            with pytest.raises(DiskFull) as raised:
                await work()
            assert "PostgreSQL" in raised.value.message
            assert "磁盘已满" in raised.value.message
            assert (await fetch(store, COLLECTION, EVERYTHING)).equals(held)
            assert [item.version for item in await store.versions()] == [1]
        disk.clear()
        await load(store, parcels(20_000, 1), version=2)
        assert (await fetch(store, COLLECTION, EVERYTHING, version=2)).num_rows == 20_000
        assert (await fetch(store, COLLECTION, EVERYTHING)).equals(held)
    finally:
        await store.close()


async def _ciphers(options: PostgisOptions) -> set[bool]:
    """Tell whether connections of the store are encrypted."""
    database = await asyncpg.connect(options.url)
    rows = await database.fetch(
        "SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) "
        "WHERE a.application_name = 'guotu' AND a.datname = current_database()"
    )
    await database.close()
    return {row[0] for row in rows}


async def test_the_line_is_encrypted_to_a_server_that_is_known(options: PostgisOptions, tmp_path: Path) -> None:
    known = tmp_path / "ca.pem"
    authority().cert_pem.write_to_path(known)
    store = PostgisStore(replace(options, url=f"{options.url}?sslmode=verify-full&sslrootcert={known}"))
    await store.open()
    await load(store, parcels(100))
    reading = store.scan("510000/tb", 1, COLLECTION, EVERYTHING)
    await anext(reading)
    assert await _ciphers(options) == {True}
    await reading.aclose()  # type: ignore[attr-defined]
    await store.close()


async def test_a_server_that_nobody_vouches_for_is_refused(options: PostgisOptions, tmp_path: Path) -> None:
    stranger = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    with pytest.raises(StoreFailure) as raised:
        await PostgisStore(replace(options, url=f"{options.url}?sslmode=verify-full&sslrootcert={stranger}")).open()
    assert "sslrootcert" in str(raised.value)
    assert "证书" in str(raised.value)
    await asyncio.sleep(0)
    assert await _ciphers(options) == set()
