"""The connections of the PostGIS store: lost, cancelled, too slow, too few."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from guotu.model.errors import StoreFailure
from guotu.model.ports import Scan
from node.stores.postgis.options import PostgisOptions
from node.stores.postgis.store import PostgisStore
from tests.support.databases import cluster, end_connections
from tests.support.eventually import comes_to
from tests.support.features import COLLECTION, parcels, removed, stored_rows
from tests.support.stores import apply, fetch, load

DATASET = "510000/tb"


async def test_lost_connections_are_replaced(store: PostgisStore, options: PostgisOptions) -> None:
    await load(store, parcels(100))
    database = options.url.rpartition("/")[2]
    for _ in range(3):
        await asyncio.gather(*(fetch(store, COLLECTION, Scan(("BSM",))) for _ in range(3)))
        # While that runs, this loop does not: the store has not heard of it when it asks again.
        killed = cluster().sql(end_connections(f"application_name = 'guotu' AND datname = '{database}'"))
        assert len(killed) >= 2
        assert (await fetch(store, COLLECTION, Scan(("BSM",)))).num_rows == 100
    await apply(store, removed(parcels(100)["BSM"].to_pylist()[:10]), 2)
    assert (await fetch(store, COLLECTION, Scan(("BSM",)), version=2)).num_rows == 90


async def test_a_connection_that_is_lost_while_staging_leaves_nothing(store: PostgisStore, beside: Any) -> None:
    await load(store, parcels(100))

    def rows() -> Any:
        yield from stored_rows(parcels(3000)).to_batches(max_chunksize=500)
        asyncio.run_coroutine_threadsafe(kill(), loop).result()
        yield from stored_rows(parcels(3000)).to_batches(max_chunksize=500)

    async def kill() -> None:
        ours = "application_name = 'guotu' AND datname = current_database() AND state = 'active'"
        await beside.execute(end_connections(ours))

    loop = asyncio.get_running_loop()
    with pytest.raises(StoreFailure):
        await store.stage(DATASET, 2, COLLECTION, rows)
    assert [item.version for item in await store.versions()] == [1]
    await load(store, parcels(200), 2)
    assert (await fetch(store, COLLECTION, Scan(("BSM",)), version=2)).num_rows == 200


async def active(beside: Any) -> int:
    return int(
        await beside.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'guotu' AND state <> 'idle' "
            "AND datname = current_database() AND backend_type = 'client backend'"
        )
    )


@asynccontextmanager
async def held(options: PostgisOptions) -> AsyncIterator[None]:
    """Hold the dataset's table, so that no query of it ends by itself."""
    holder = await asyncpg.connect(options.url)
    table = await holder.fetchval("SELECT current_table FROM guotu.generations WHERE dataset = $1", DATASET)
    async with holder.transaction():
        await holder.execute(f'LOCK TABLE guotu."{table}"')
        yield
    await holder.close()


async def test_cancelling_ends_the_query_on_the_server(
    store: PostgisStore, options: PostgisOptions, beside: Any
) -> None:
    await load(store, parcels(100))
    async with held(options):
        scan = asyncio.create_task(fetch(store, COLLECTION, Scan(("BSM",))))
        assert await comes_to(1, lambda: active(beside))
        scan.cancel()
        await asyncio.wait([scan])
        assert await comes_to(0, lambda: active(beside))


async def test_a_read_that_takes_too_long_is_ended_and_says_so(options: PostgisOptions) -> None:
    store = PostgisStore(replace(options, statement_timeout_s=1.0))
    await store.open()
    await load(store, parcels(100))
    async with held(options):
        with pytest.raises(StoreFailure, match="statement_timeout_s"):
            await fetch(store, COLLECTION, Scan(("BSM",)))

    async def found() -> int:
        with suppress(StoreFailure):  # a busy machine may take too long for a few rows as well
            return (await fetch(store, COLLECTION, Scan(("BSM",), limit=5))).num_rows
        return 0

    assert await comes_to(5, found)
    await store.close()


async def test_more_readers_than_connections_are_told(
    store: PostgisStore, options: PostgisOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(store, parcels(30_000))
    held = [store.scan(DATASET, 1, COLLECTION, Scan(COLLECTION.column_names)) for _ in range(options.connections)]
    for rows in held:
        await anext(rows)
    # Now, and not before: to connect takes time as well.
    monkeypatch.setattr(store._database._sessions, "_options", replace(options, wait_s=0.2))
    with pytest.raises(StoreFailure, match=r"store\.connections"):
        await fetch(store, COLLECTION, Scan(("BSM",)))
    monkeypatch.undo()
    for rows in held:
        await rows.aclose()  # type: ignore[attr-defined]
    assert (await fetch(store, COLLECTION, Scan(("BSM",)))).num_rows == 30_000
