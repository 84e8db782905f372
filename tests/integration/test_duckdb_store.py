"""What the DuckDB store does beyond the port: locking, closed doors, memory, crashes, and order come what may."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from guotu.model.errors import DirectoryInUse, StoreFailure, UnknownVersion
from guotu.model.expression import In
from guotu.model.ports import Scan
from guotu.model.schema import stored_schema
from node.stores.duckdb import catalogue
from node.stores.duckdb.connection import Cursor, connect, give_back_memory
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.store import DuckDbStore
from tests.support.eventually import eventually
from tests.support.features import applied, drawn, parcels, removed, sample_collection, stored_rows
from tests.support.stores import apply, fetch, load, whole

ROOT = Path(__file__).parents[2]
DATASET = "510000/tb"
COLLECTION = sample_collection()
EVERYTHING = Scan(COLLECTION.column_names)


async def filled(options: DuckDbOptions, table: pa.Table) -> DuckDbStore:
    store = DuckDbStore(options)
    await store.open()
    await load(store, table)
    return store


async def test_another_process_is_told_that_the_directory_is_in_use(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.stores", "duckdb", str(tmp_path), "stage", "10"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert child.stdout
    assert await child.stdout.readline() == b"begun\n"
    store = DuckDbStore(DuckDbOptions(tmp_path / "store.duckdb"))
    with pytest.raises(DirectoryInUse) as raised:
        await store.open()
    assert raised.value.facts == {"path": str(tmp_path)}
    child.kill()
    await child.wait()
    await store.open()
    await store.close()


async def test_once_closed_the_file_is_free_even_with_a_scan_half_drawn(tmp_path: Path) -> None:
    options = DuckDbOptions(tmp_path / "store.duckdb")
    store = await filled(options, parcels(30_000))
    rows = store.scan(DATASET, 1, COLLECTION, EVERYTHING)
    await anext(rows)
    await store.close()
    await store.close()
    look = f"import duckdb; duckdb.connect({str(options.path)!r}).execute('FROM guotu_versions')"
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", look)
    assert await other.wait() == 0
    with pytest.raises(StoreFailure):
        await anext(rows)


async def test_a_file_that_is_no_database_is_a_failure_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.duckdb"
    path.write_bytes(b"something else" * 1000)
    with pytest.raises(StoreFailure, match="opening the store"):
        await DuckDbStore(DuckDbOptions(path)).open()
    assert path.read_bytes() == b"something else" * 1000


def test_the_engine_keeps_its_doors_closed(tmp_path: Path) -> None:
    options = DuckDbOptions(tmp_path / "it's.duckdb")
    pq.write_table(parcels(10), tmp_path / "rows.parquet")
    options.scratch.mkdir()
    (options.scratch / "rows.parquet").symlink_to(tmp_path / "rows.parquet")
    with connect(options) as base:
        for path in (tmp_path / "rows.parquet", options.scratch / "rows.parquet"):
            with pytest.raises(duckdb.PermissionException):
                base.execute("SELECT count(*) FROM read_parquet($1)", [str(path)])
        for statement in (
            f"COPY (SELECT 1) TO '{tmp_path / 'out.csv'}'",
            f"ATTACH '{tmp_path / 'other.duckdb'}'",
            "SET enable_external_access = true",
            "SET allowed_directories = ['/']",
            "SET threads = 1",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SELECT * FROM read_text('/etc/hostname')",
        ):
            with pytest.raises(duckdb.Error):
                base.execute(statement)


def test_cursors_have_the_settings_of_the_store(tmp_path: Path) -> None:
    with connect(DuckDbOptions(tmp_path / "store.duckdb")) as base:
        square = "POLYGON((110 30,111 30,111 31,110 31,110 30))"
        area = "SELECT ST_Area_Spheroid(ST_GeomFromText($1))"
        found = base.cursor().execute(area, [square]).fetchone()
        assert found
        assert found[0] == pytest.approx(1.0642e10, rel=1e-3)  # NaN with latitude first


@pytest.mark.parametrize("listed", [3, 3000, 50_000])
async def test_a_list_in_a_filter_leaves_the_order_of_rows_alone(tmp_path: Path, listed: int) -> None:
    table = parcels(5000)
    store = await filled(DuckDbOptions(tmp_path / "store.duckdb", threads=2), table)
    keys = tuple(table["BSM"].to_pylist()[::-2][:listed]) + tuple(f"x{number}" for number in range(listed))
    found = await fetch(store, COLLECTION, Scan(("BSM",), filter=In("BSM", keys)))
    wanted = set(keys)
    assert found["BSM"].to_pylist() == [key for key in table["BSM"].to_pylist() if key in wanted]
    await store.close()


def buffers_mib(store: DuckDbStore) -> float:
    """What the engine's buffers take; asked behind the store's back, since a question would count as work."""
    assert store._database._sessions
    row = (
        store._database._sessions._base.cursor()
        .execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()")
        .fetchone()
    )
    return float(row[0]) / (1 << 20) if row else 0.0


async def test_memory_is_given_back_when_idle_and_the_store_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back = threading.Event()

    def give_back(cursor: Cursor, options: DuckDbOptions) -> None:
        give_back_memory(cursor, options)
        given_back.set()

    monkeypatch.setattr("node.stores.duckdb.sessions.give_back_memory", give_back)
    table = parcels(100_000)
    options = DuckDbOptions(tmp_path / "store.duckdb", threads=2, idle_seconds=0.1)
    store = await filled(options, table)
    found, with_buffers = [], 0.0
    async for batch in store.scan(DATASET, 1, COLLECTION, EVERYTHING):
        found.append(batch)
        # At work: it may idle before one looks after it, and whoever looks meanwhile is in its way.
        with_buffers = max(with_buffers, buffers_mib(store))
        given_back.clear()
    before = pa.Table.from_batches(found)
    await eventually(given_back.is_set)
    assert buffers_mib(store) < with_buffers / 2
    again = await asyncio.gather(*(fetch(store, COLLECTION, EVERYTHING) for _ in range(3)))
    assert all(rows.equals(before) for rows in again)
    await store.close()


CHANGES = pa.concat_tables([stored_rows(parcels(120, seed=4)), removed(["5101" + "0" * 9 + "150"])])
DYING = """
import asyncio, os, signal, sys
from pathlib import Path
from importlib import import_module
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.store import DuckDbStore
from tests.integration.test_duckdb_store import CHANGES, COLLECTION, DATASET
from tests.support.features import drawn

module, name = sys.argv[2].rsplit(".", 1)
async def main():
    store = DuckDbStore(DuckDbOptions(Path(sys.argv[1])))
    await store.open()
    await store.stage_change(DATASET, 2, COLLECTION, drawn(CHANGES))
    setattr(import_module(module), name, lambda *given: os.kill(os.getpid(), signal.SIGKILL))
    await store.activate(DATASET, 2)
asyncio.run(main())
"""


async def stored(store: DuckDbStore, version: int) -> pa.Table:
    return await whole(store.stored(DATASET, version, COLLECTION), stored_schema(COLLECTION))


@pytest.mark.parametrize("step", ["generations.append_few", "catalogue.set_state", "catalogue.bump", "catalogue.read"])
async def test_killed_in_the_middle_of_an_activation(tmp_path: Path, step: str) -> None:
    """The change has been moved, applied, entered, or all but committed: it is not there."""
    options = DuckDbOptions(tmp_path / "store.duckdb")
    await (await filled(options, parcels(1000))).close()
    given = ("-c", DYING, str(options.path), f"node.stores.duckdb.{step}")
    child = await asyncio.create_subprocess_exec(sys.executable, *given, cwd=ROOT)
    assert await child.wait() == -signal.SIGKILL
    store = DuckDbStore(options)
    await store.open()
    assert [item.version for item in await store.versions()] == [1]
    assert (await stored(store, 1)).equals(stored_rows(parcels(1000)))
    with pytest.raises(UnknownVersion):
        await store.activate(DATASET, 2)
    await apply(store, CHANGES, 2)
    assert (await stored(store, 2)).equals(applied(stored_rows(parcels(1000)), CHANGES))
    await store.close()


@pytest.mark.parametrize("step", ["generations.append_few", "catalogue.set_state", "catalogue.bump"])
async def test_an_activation_that_fails_changes_nothing_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    store = await filled(DuckDbOptions(tmp_path / "store.duckdb"), parcels(1000))
    await store.stage_change(DATASET, 2, COLLECTION, drawn(CHANGES))

    def full(*_: object) -> None:
        raise duckdb.IOException("IO Error: no space")

    with monkeypatch.context() as patch:
        patch.setattr(f"node.stores.duckdb.{step}", full)
        with pytest.raises(StoreFailure, match="activating 510000/tb@2: IO Error"):
            await store.activate(DATASET, 2)
    assert [item.version for item in await store.versions()] == [1]
    assert (await stored(store, 1)).equals(stored_rows(parcels(1000)))
    await store.activate(DATASET, 2)
    assert (await stored(store, 2)).equals(applied(stored_rows(parcels(1000)), CHANGES))
    await store.close()


async def tables(options: DuckDbOptions) -> list[str]:
    """Names of the tables of a closed store, but for the catalogue's."""
    with duckdb.connect(str(options.path)) as database:
        names = [name for (name,) in database.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
    return sorted(name.split("_")[0] for name in names if not name.startswith("guotu_"))


@pytest.mark.parametrize("between", ["nothing", "rest", "tidy", "tidy to a base", "mend", "another version"])
async def test_rows_that_move_between_staging_and_activation_are_found_again(tmp_path: Path, between: str) -> None:
    options = DuckDbOptions(tmp_path / "store.duckdb", idle_seconds=0.05 if between == "rest" else 10)
    store = await filled(options, parcels(1000))
    rows = stored_rows(parcels(1000))
    for version, count in ((2, 30), (3, 20)):
        changes = stored_rows(parcels(count, seed=version))
        await store.stage_change(DATASET, version, COLLECTION, drawn(changes), rebase=between == "tidy to a base")
        await store.activate(DATASET, version)
        rows = applied(rows, changes)
    await store.stage_change(DATASET, 4, COLLECTION, drawn(CHANGES))
    if between == "rest":
        await eventually(lambda: store._database.files.staged[DATASET, 4].placed_at is None)
    elif between == "mend":
        right = stored_rows(parcels(10)).append_column("_since", pa.nulls(10, pa.int64()))
        await store.mend(DATASET, 3, COLLECTION, drawn(right))
        rows = applied(rows, stored_rows(parcels(10)))
    elif between == "another version":
        await load(store, parcels(10), dataset="520000/tb")
    elif between != "nothing":
        assert await store.tidy(DATASET)
    await store.activate(DATASET, 4)
    assert (await stored(store, 3)).equals(rows)
    assert (await stored(store, 4)).equals(applied(rows, CHANGES))
    assert {item.version: item.rows for item in await store.versions() if item.dataset == DATASET}[4] == 999
    await store.close()


@pytest.mark.parametrize("group_rows", [10, 122_880])
@pytest.mark.parametrize("backwards", [False, True])
async def test_new_rows_lie_in_curve_order_however_many_and_however_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_rows: int, backwards: bool
) -> None:
    monkeypatch.setattr("node.stores.duckdb.generations.GROUP_ROWS", group_rows)
    store = await filled(DuckDbOptions(tmp_path / "store.duckdb"), parcels(5000))
    new = stored_rows(parcels(120, seed=4))
    await apply(store, new.take(pa.array(range(119, -1, -1))) if backwards else new, 2)
    assert not await store.tidy(DATASET)
    found = await fetch(store, COLLECTION, Scan(("BSM",)), version=2)
    assert found["BSM"].to_pylist()[-120:] == new["BSM"].to_pylist()
    await store.close()


async def test_places_of_rows_that_are_not_those_that_were_staged_are_refused(tmp_path: Path) -> None:
    store = await filled(DuckDbOptions(tmp_path / "store.duckdb"), parcels(1000))
    await store.stage_change(DATASET, 2, COLLECTION, drawn(CHANGES))
    change = store._database.files.staged[DATASET, 2]
    assert change.placed_at == store._database.known.epoch
    store._database.files.staged = {(DATASET, 2): replace(change, replaced=change.replaced + 1)}
    with pytest.raises(StoreFailure, match="121 rows end of 122"):
        await store.activate(DATASET, 2)
    assert (await stored(store, 1)).equals(stored_rows(parcels(1000)))
    await store.close()


async def test_nothing_is_left_of_what_was_dropped_replaced_or_staged(tmp_path: Path) -> None:
    options = DuckDbOptions(tmp_path / "store.duckdb")
    store = await filled(options, parcels(1000))
    await apply(store, CHANGES, 2)
    await store.tidy(DATASET)
    await load(store, parcels(50), 3)
    await store.stage(DATASET, 3, COLLECTION, drawn(stored_rows(parcels(60))))
    await store.activate(DATASET, 3)
    await store.stage(DATASET, 4, COLLECTION, drawn(stored_rows(parcels(70))))
    await store.stage_change(DATASET, 4, COLLECTION, drawn(CHANGES))
    await store.stage_change(DATASET, 4, COLLECTION, drawn(CHANGES.slice(5)))
    assert len(list(options.staged.iterdir())) == 2  # the rows, and what they do
    await store.close()
    assert await tables(options) == ["current", "current", "history", "history"]
    await store.open()
    assert not options.staged.exists()
    await store.stage_change(DATASET, 4, COLLECTION, drawn(CHANGES))
    await store.activate(DATASET, 4)
    assert list(options.staged.iterdir()) == []
    await store.drop(DATASET, 4)
    for version in (1, 2, 3):
        await store.drop(DATASET, version)
    await store.close()
    assert await tables(options) == []


@pytest.mark.parametrize("fault", ["twins", "no key", "too large", "drawing"])
async def test_a_change_that_does_not_fit_is_not_staged_and_leaves_no_file(tmp_path: Path, fault: str) -> None:
    options = DuckDbOptions(tmp_path / "store.duckdb")
    store = await filled(options, parcels(100))
    rows = CHANGES.slice(0, 4)
    key, amount = rows["BSM"].to_pylist(), rows["TBMJ"].to_pylist()
    if fault == "twins":
        key[1] = key[0]
    elif fault == "no key":
        key[1] = None
    elif fault == "too large":
        amount[1] = 1e15
    changed = rows.set_column(0, rows.schema.field("BSM"), pa.array(key, pa.string()))
    place = rows.schema.get_field_index("TBMJ")
    changed = changed.set_column(place, rows.schema.field("TBMJ"), pa.array(amount, pa.float64()))

    def failing() -> Iterator[pa.RecordBatch]:
        yield from changed.to_batches()
        if fault == "drawing":
            raise KeyError("gone")

    with pytest.raises(KeyError if fault == "drawing" else StoreFailure):
        await store.stage_change(DATASET, 2, COLLECTION, failing)
    with pytest.raises(UnknownVersion):
        await store.activate(DATASET, 2)
    assert list(options.staged.iterdir()) == []
    await apply(store, CHANGES, 2)
    await store.close()


async def test_history_has_only_what_a_readable_version_needs(tmp_path: Path) -> None:
    options = DuckDbOptions(tmp_path / "store.duckdb")
    store = await filled(options, parcels(1000))
    for version in range(2, 7):
        await apply(store, stored_rows(parcels(200, seed=version)), version)
    await store.tidy(DATASET)
    for version, kept in ((3, 800), (1, 600), (4, 400), (6, 200), (2, 0)):
        await store.drop(DATASET, version)
        (generation,) = store._database.known.generations.values()
        assert store._database._sessions
        history = store._database._sessions._base.cursor().table(generation.history)
        assert len(history) == kept
    assert (await stored(store, 5)).num_rows == 1000
    await store.close()


async def test_rows_that_no_version_needs_are_gone_once_the_table_is_written_anew(tmp_path: Path) -> None:
    store = await filled(DuckDbOptions(tmp_path / "store.duckdb"), parcels(1000))
    for version in range(2, 5):
        await apply(store, stored_rows(parcels(200, seed=version)), version)
    await store.drop(DATASET, 2)
    await store.drop(DATASET, 1)
    assert await store.tidy(DATASET)
    (generation,) = store._database.known.generations.values()
    assert store._database._sessions
    cursor = store._database._sessions._base.cursor()
    assert (len(cursor.table(generation.current)), len(cursor.table(generation.history))) == (1000, 200)
    cursor.close()
    await store.close()


async def test_tables_of_an_older_layout_go(tmp_path: Path) -> None:
    options = DuckDbOptions(tmp_path / "store.duckdb")
    with duckdb.connect(str(options.path)) as database:
        database.execute("CREATE TABLE guotu_versions (dataset VARCHAR, table_name VARCHAR)")
        database.execute('CREATE TABLE "features ""x" (key VARCHAR)')
        database.execute("CREATE TABLE guotu_epoch AS SELECT 7 AS epoch")
    store = await filled(options, parcels(10))
    assert [item.version for item in await store.versions()] == [1]
    await store.close()
    assert await tables(options) == ["current", "history"]


async def test_a_reader_knows_the_catalogue_of_its_own_snapshot(tmp_path: Path) -> None:
    """A version that another takes the place of after a reader's snapshot is still the newest for that reader."""
    store = await filled(DuckDbOptions(tmp_path / "store.duckdb"), parcels(1000))
    assert store._database._sessions
    cursor = store._database._sessions._base.cursor()
    before = store._database.snapshot(cursor)
    await apply(store, CHANGES, 2)
    assert before.view(DATASET, 1).head
    assert not store._database.known.view(DATASET, 1).head
    assert catalogue.read(cursor) == before
    cursor.close()
    await store.close()
