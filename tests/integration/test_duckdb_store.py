"""What the DuckDB store does beyond the port: locking, closed doors, memory, and order come what may."""

import asyncio
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from guotu.model.errors import DirectoryInUse, StoreFailure
from guotu.model.expression import In
from guotu.model.ports import Scan
from node.stores.duckdb.connection import connect
from node.stores.duckdb.options import DuckDbOptions
from node.stores.duckdb.store import DuckDbStore
from tests.support.eventually import eventually
from tests.support.features import parcels, sample_collection, write_chunks
from tests.support.stores import fetch

ROOT = Path(__file__).parents[2]
DATASET = "510000/tb"
COLLECTION = sample_collection()
EVERYTHING = Scan(COLLECTION.column_names)


async def filled(options: DuckDbOptions, chunks: list[Path]) -> DuckDbStore:
    store = DuckDbStore(options)
    await store.open()
    await store.stage(DATASET, 1, COLLECTION, chunks)
    await store.activate(DATASET, 1)
    return store


async def test_another_process_is_told_that_the_directory_is_in_use(tmp_path: Path) -> None:
    (chunk,) = write_chunks(tmp_path / "chunks", parcels(10), 10)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.stores", "duckdb", str(tmp_path), str(chunk), "1"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert child.stdout
    assert await child.stdout.readline() == b"staging\n"
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
    store = await filled(options, write_chunks(tmp_path / "chunks", parcels(30_000), 10_000))
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
    options.inbox.mkdir()
    (chunk,) = write_chunks(tmp_path / "chunks", parcels(10), 10)
    (options.inbox / "in.parquet").symlink_to(chunk)
    (options.inbox / "copy.parquet").write_bytes(chunk.read_bytes())
    with connect(options) as base:
        reading = "SELECT count(*) FROM read_parquet($1)"
        assert base.execute(reading, [str(options.inbox / "copy.parquet")]).fetchone() == (10,)
        for path in (chunk, options.inbox / ".." / "chunks" / chunk.name, options.inbox / "in.parquet"):
            with pytest.raises(duckdb.PermissionException):
                base.execute(reading, [str(path)])
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


async def test_chunks_may_have_any_path(tmp_path: Path) -> None:
    folder = tmp_path / "图斑 [*] ?'{}"
    chunks = write_chunks(folder, parcels(30), 10)
    link = tmp_path / "link.parquet"
    link.symlink_to(chunks[1])
    store = await filled(DuckDbOptions(tmp_path / "store.duckdb"), [chunks[0], link, chunks[2]])
    assert (await fetch(store, COLLECTION, EVERYTHING)).equals(parcels(30))
    assert list((tmp_path / "store.duckdb.inbox").iterdir()) == []
    await store.close()


async def test_chunks_from_another_file_system_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("node.stores.duckdb.inbox.os.link", refuse)
    store = await filled(DuckDbOptions(tmp_path / "store.duckdb"), write_chunks(tmp_path / "a", parcels(30), 10))
    assert (await fetch(store, COLLECTION, EVERYTHING)).equals(parcels(30))
    await store.close()


async def test_a_chunk_without_a_covering_gets_its_boxes_computed(tmp_path: Path) -> None:
    covered = write_chunks(tmp_path / "a", parcels(500), 500)
    bare = tmp_path / "bare.parquet"
    pq.write_table(parcels(500), bare)
    boxes = []
    for place, chunks in enumerate((covered, [bare])):
        options = DuckDbOptions(tmp_path / str(place) / "store.duckdb")
        await (await filled(options, chunks)).close()
        with duckdb.connect(str(options.path)) as database:
            (name,) = database.execute("SELECT table_name FROM guotu_versions").fetchone() or ("",)
            boxes.append(database.execute(f'SELECT _xmin, _ymin, _xmax, _ymax FROM "{name}"').fetchall())
    assert boxes[0] == boxes[1]
    assert (None,) * 4 in boxes[0]


@pytest.mark.parametrize("listed", [3, 3000, 50_000])
async def test_a_list_in_a_filter_leaves_the_order_of_rows_alone(tmp_path: Path, listed: int) -> None:
    table = parcels(5000)
    store = await filled(DuckDbOptions(tmp_path / "store.duckdb", threads=2), write_chunks(tmp_path / "a", table, 999))
    keys = tuple(table["BSM"].to_pylist()[::-2][:listed]) + tuple(f"x{number}" for number in range(listed))
    found = await fetch(store, COLLECTION, Scan(("BSM",), filter=In("BSM", keys)))
    wanted = set(keys)
    assert found["BSM"].to_pylist() == [key for key in table["BSM"].to_pylist() if key in wanted]
    await store.close()


def buffers_mib(store: DuckDbStore) -> float:
    """What the engine's buffers take; asked behind the store's back, since a question would count as work."""
    assert store._sessions
    row = store._sessions._base.cursor().execute("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchone()
    return float(row[0]) / (1 << 20) if row else 0.0


async def test_memory_is_given_back_when_idle_and_the_store_goes_on(tmp_path: Path) -> None:
    table = parcels(100_000)
    options = DuckDbOptions(tmp_path / "store.duckdb", threads=2, idle_seconds=0.1)
    store = await filled(options, write_chunks(tmp_path / "a", table, 50_000))
    before = await fetch(store, COLLECTION, EVERYTHING)
    with_buffers = buffers_mib(store)
    await eventually(lambda: buffers_mib(store) < with_buffers / 2)
    found = await asyncio.gather(*(fetch(store, COLLECTION, EVERYTHING) for _ in range(3)))
    assert all(again.equals(before) for again in found)
    await store.close()
