"""Tables for local GIS users beside real nodes: they show what the nodes answer, and follow by themselves."""

import asyncio
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import geopandas as gpd
import pytest

from demo.mesh import LocalMesh
from demo.node_process import guotu_command
from tests.support.databases import database_of, remove_database
from tests.support.layers import squares
from tests.support.material_parts import Row, rows_of, shown
from tests.support.plots import FIELDS, NODE, ROWS, Desk, key, layer
from tests.support.small_mesh import PATIENT, eventually, run_guotu
from tests.support.version_mesh import NATION, operate, reaches, replica_of

MORE_FIELDS = (
    FIELDS.replace("width = 12, decimals = 2", "width = 14, decimals = 4").replace(
        'name = "BZ"', 'name = "SM", renamed_from = "BZ"'
    )
    + '{ name = "XH", title = "序号", type = "integer" },\n'
)


@dataclass(frozen=True)
class Gis:
    """A mesh whose two nodes have their rows in PostGIS, and what else looks into their databases."""

    mesh: LocalMesh
    urls: dict[str, str]

    def sql(self, node: str, *statements: str) -> list[Any]:
        """Run statements, one transaction each, in a node's database; returns the rows of the last one."""

        async def run(connection: Any) -> list[Any]:
            return [await connection.fetch(statement) for statement in statements][-1]

        return self.ask(node, run)

    def ask(self, node: str, work: Any) -> Any:
        async def run() -> Any:
            connection = await asyncpg.connect(self.urls[node])
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(run())

    def status(self, node: str, dataset: str) -> dict[str, Any]:
        found = operate(self.mesh, node, "materialized")["materials"]
        return next((item for item in found if item["dataset"] == dataset), {})


@pytest.fixture(scope="module")
def gis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gis]:
    root = Path(tempfile.mkdtemp(prefix="gt-"))
    homes = {node: tmp_path_factory.mktemp(f"database-{node}") for node in (NODE, NATION)}
    mesh = LocalMesh(root, overrides=PATIENT)
    for node, home in homes.items():
        options = {"store.kind": "postgis", "store.url": database_of(home), "store.connections": 8}
        mesh.add(node, overrides=options)
    mesh.start()
    yield Gis(mesh, {node: database_of(home) for node, home in homes.items()})
    mesh.close()
    shutil.rmtree(root)
    for home in homes.values():
        remove_database(home)


@pytest.fixture
def desk(gis: Gis, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """Return the desk of a collection of this test alone, to which the nation has subscribed."""
    name = "m" + "".join(filter(str.isalnum, request.node.name.lower()))[-24:]
    made = Desk(gis.mesh, f"{NODE}.{name}", tmp_path)
    made.define()
    return made


def into(desk: Desk) -> str:
    return f"gis.{desk.collection.rpartition('.')[2]}"


def agrees(gis: Gis, desk: Desk, node: str, version: int) -> list[Row]:
    """Wait until a table shows a version, and hold it against what the node answers; returns its rows."""

    def there() -> bool:
        status = gis.status(node, desk.dataset)
        return (status["version"], status["state"], status["lag_versions"]) == (version, "current", 0)

    try:
        eventually(there)
    except AssertionError as failure:
        raise AssertionError(f"{gis.status(node, desk.dataset)}") from failure
    with gis.mesh.client(node) as client:
        collection = next(item for item in client.collections() if item.id == desk.collection)
        answer = client.query(desk.collection, dataset=desk.dataset, scope="self").table()
    table = '"gis"."' + into(desk).partition(".")[2] + '"'
    rows = gis.ask(node, lambda connection: shown(connection, collection, table))
    assert rows == rows_of(answer, collection)
    assert gis.status(node, desk.dataset)["rows"] == len(rows)
    return list(rows)


def moved(rows: int) -> gpd.GeoDataFrame:
    """The layer, of whose plots the first three lie elsewhere and the fourth is another."""
    frame = layer(rows)
    frame.loc[[0, 1, 2], "geometry"] = squares(3, south=30.6)
    frame.loc[3, "DLBM"] = "0103"
    return frame


def test_own_versions_and_replicas_are_followed(gis: Gis, desk: Desk) -> None:
    mesh, table = gis.mesh, into(desk)
    desk.publish("--from", desk.write(layer()))
    made = operate(mesh, NODE, "materialize", desk.dataset, "--into", table)
    assert (made["created"], made["inserted"], made["status"]["table"]) == (True, ROWS, table)
    agrees(gis, desk, NODE, 1)
    operate(mesh, NATION, "subscribe", desk.collection)
    reaches(mesh, desk.dataset, 1)
    assert operate(mesh, NATION, "materialize", desk.dataset, "--into", table)["created"]
    gis.sql(NODE, f'CREATE VIEW public.rice AS SELECT "BSM", "BZ" FROM {table} WHERE "DLBM" = \'0101\'')
    desk.publish("--changes", desk.write(moved(ROWS).iloc[:4].assign(_op="变更"), "changes.gpkg"))
    desk.publish("--deletes", desk.csv("BSM\n" + "".join(f"{key(number)}\n" for number in range(10, 15))))
    desk.publish("--from", desk.write(moved(ROWS + 30)))
    seen = {node: agrees(gis, desk, node, 4) for node in (NODE, NATION)}
    assert seen[NODE] == seen[NATION]
    assert len(seen[NODE]) == ROWS + 30
    again = operate(mesh, NODE, "materialize", desk.dataset, "--into", table)
    assert (again["created"], again["inserted"], again["updated"], again["deleted"]) == (False, 0, 0, 0)
    assert operate(mesh, NODE, "materialize", desk.dataset, "--into", table, "--check")["updated"] == 0
    desk.define(MORE_FIELDS)
    frame = moved(ROWS).rename(columns={"BZ": "SM"}).assign(XH=range(ROWS))
    desk.publish("--from", desk.write(frame))
    rows = [agrees(gis, desk, node, 5) for node in (NODE, NATION)]
    assert rows[0] == rows[1]
    assert gis.sql(NODE, "SELECT count(*) FROM public.rice")[0][0] > 0
    assert "rice" in run_guotu("dematerialize", table, config=mesh.config(NODE)).err
    said = metrics(mesh, NODE)
    assert f'guotu_material_version{{dataset="{desk.dataset}"}} 5.0' in said
    assert f'guotu_material_lag_versions{{dataset="{desk.dataset}"}} 0.0' in said
    gis.sql(NODE, "DROP VIEW public.rice")
    assert operate(mesh, NODE, "dematerialize", table)["dropped"]["version"] == 5
    assert not gis.status(NODE, desk.dataset)
    assert gis.sql(NODE, f"SELECT to_regclass('{table}')")[0][0] is None


def test_an_area_changes_and_a_replica_ends(gis: Gis, desk: Desk) -> None:
    mesh, table = gis.mesh, into(desk)
    desk.publish("--from", desk.write(layer()))
    operate(mesh, NATION, "subscribe", desk.collection, "--area", area_file(desk.folder, 8))
    reaches(mesh, desk.dataset, 1)
    operate(mesh, NATION, "materialize", desk.dataset, "--into", table)
    few = status_at(gis, desk, 1)["rows"]
    assert 0 < few < ROWS
    desk.publish("--from", desk.write(moved(ROWS)))
    assert status_at(gis, desk, 2)["rows"] < few
    operate(mesh, NATION, "subscribe", desk.collection)
    reaches(mesh, desk.dataset, 2)
    eventually(lambda: gis.status(NATION, desk.dataset)["rows"] == ROWS)
    agrees(gis, desk, NATION, 2)
    operate(mesh, NATION, "unsubscribe", desk.collection)
    eventually(lambda: gis.status(NATION, desk.dataset)["state"] == "absent")
    assert gis.sql(NATION, f"SELECT count(*) FROM {table}")[0][0] == ROWS
    mesh.restart(NATION)
    eventually(lambda: gis.status(NATION, desk.dataset).get("state") == "absent")
    operate(mesh, NATION, "subscribe", desk.collection)
    agrees(gis, desk, NATION, 2)
    operate(mesh, NATION, "dematerialize", desk.dataset)


def test_a_node_that_dies_in_the_middle_catches_up(gis: Gis, desk: Desk) -> None:
    """Somebody holds the table, so that the work stands when the node is killed; publishing does not wait for it."""
    mesh, table = gis.mesh, into(desk)
    desk.publish("--from", desk.write(layer()))
    operate(mesh, NODE, "materialize", desk.dataset, "--into", table)
    before = agrees(gis, desk, NODE, 1)

    async def hold(connection: Any) -> None:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN SHARE MODE")
            done = await asyncio.to_thread(desk.publish, "--from", desk.write(moved(ROWS)))
            assert done["published"]
            await asyncio.to_thread(eventually, lambda: waits(gis, table))
            status = await asyncio.to_thread(gis.status, NODE, desk.dataset)
            assert (status["version"], status["head"], status["state"]) == (1, 2, "applying")
            assert status["lag_ms"] > 0
            mesh.kill(NODE)
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == len(before)

    gis.ask(NODE, hold)
    mesh.start_node(NODE)
    assert agrees(gis, desk, NODE, 2) != before


def test_ctrl_c_leaves_everything_as_it_was(gis: Gis, desk: Desk) -> None:
    mesh, table = gis.mesh, into(desk)
    desk.publish("--from", desk.write(layer()))
    words = [guotu_command(), "--config", str(mesh.config(NODE)), "materialize", desk.dataset, "--into", table]

    async def hold(connection: Any) -> None:
        async with connection.transaction():
            await connection.execute("LOCK TABLE guotu.materials IN SHARE MODE")
            running = await asyncio.create_subprocess_exec(*words, stderr=subprocess.PIPE)
            assert running.stderr is not None
            assert "写入记录 load" in (await running.stderr.readline()).decode()
            await asyncio.to_thread(eventually, lambda: waits(gis, "guotu.materials"))
            running.send_signal(signal.SIGINT)
            said = (await running.communicate())[1].decode()
            assert running.returncode == 130, said
            await asyncio.to_thread(eventually, lambda: not waits(gis, "guotu.materials"))

    gis.ask(NODE, hold)
    assert gis.sql(NODE, f"SELECT to_regclass('{table}')")[0][0] is None
    assert not gis.status(NODE, desk.dataset)
    assert operate(mesh, NODE, "materialize", desk.dataset, "--into", table)["created"]
    agrees(gis, desk, NODE, 1)


def test_a_node_that_dies_over_a_first_load_leaves_nothing(gis: Gis, desk: Desk) -> None:
    """Somebody holds what is written last, so that the work stands there when the node is killed."""
    mesh, table = gis.mesh, into(desk)
    desk.publish("--from", desk.write(layer()))

    async def hold(connection: Any) -> None:
        async with connection.transaction():
            await connection.execute("LOCK TABLE guotu.materials IN SHARE MODE")
            words = ("materialize", desk.dataset, "--into", table)
            making = asyncio.create_task(asyncio.to_thread(run_guotu, *words, config=mesh.config(NODE)))
            await asyncio.to_thread(eventually, lambda: waits(gis, "guotu.materials"))
            mesh.kill(NODE)
            assert (await making).code == 6

    gis.ask(NODE, hold)
    ended = "SELECT FROM pg_stat_activity WHERE application_name = 'guotu' AND datname = current_database()"
    eventually(lambda: not gis.sql(NODE, ended))
    assert gis.sql(NODE, f"SELECT to_regclass('{table}')")[0][0] is None
    mesh.start_node(NODE)
    assert not gis.status(NODE, desk.dataset)
    assert operate(mesh, NODE, "materialize", desk.dataset, "--into", table)["created"]
    agrees(gis, desk, NODE, 1)


def test_what_goes_wrong_is_shown_and_holds_nothing_up(gis: Gis, desk: Desk) -> None:
    mesh, table = gis.mesh, into(desk)
    missing = run_guotu("materialize", desk.dataset, "--into", table, config=mesh.config(NODE))
    assert missing.code == 5
    desk.publish("--from", desk.write(layer()))
    operate(mesh, NODE, "materialize", desk.dataset, "--into", table)
    gis.sql(NODE, f"DROP TABLE {table}")
    assert desk.publish("--from", desk.write(moved(ROWS)))["published"]

    def shown_stuck() -> bool:
        """A look between the drop and the publish tells it is stuck before there is a second version."""
        now = gis.status(NODE, desk.dataset)
        return (now["state"], now["head"]) == ("stuck", 2)

    eventually(shown_stuck)
    status = gis.status(NODE, desk.dataset)
    assert status["version"] == 1
    assert f"guotu materialize {desk.dataset} --into {table}" in status["last_error"]
    assert status["next_try_ms"] > 0
    assert operate(mesh, NODE, "materialize", desk.dataset, "--into", table)["created"]
    agrees(gis, desk, NODE, 2)
    taken = run_guotu("materialize", desk.dataset, "--into", "gis.other", config=mesh.config(NODE))
    assert (taken.code, "dematerialize" in taken.err) == (8, True)


def status_at(gis: Gis, desk: Desk, version: int) -> dict[str, Any]:
    eventually(lambda: gis.status(NATION, desk.dataset)["version"] == version)
    assert replica_of(gis.mesh, desk.dataset) is not None
    return gis.status(NATION, desk.dataset)


def waits(gis: Gis, table: str) -> bool:
    asked = f"SELECT count(*) FROM pg_locks WHERE relation = '{table}'::regclass AND NOT granted"
    return bool(gis.sql(NODE, asked)[0][0])


def area_file(folder: Path, plots: int) -> Path:
    """Write the area of the first so many plots."""
    path = folder / "area.gpkg"
    path.unlink(missing_ok=True)
    west, south, east, north = layer().geometry.iloc[:plots].total_bounds
    gpd.GeoDataFrame(geometry=gpd.GeoSeries.from_wkt([box(west, south, east, north)]), crs=4490).to_file(path)
    return path


def box(west: float, south: float, east: float, north: float) -> str:
    return f"POLYGON (({west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south}))"


def metrics(mesh: LocalMesh, node: str) -> str:
    with urllib.request.urlopen(f"http://{mesh.nodes[node].metrics_address}/metrics", timeout=10) as answer:
        return str(answer.read().decode())
