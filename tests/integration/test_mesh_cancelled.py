"""A question that nobody waits for any more ends in the member's database, through the relay, in either store."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import asyncpg
import pytest

from demo.mesh import LocalMesh
from demo.node_process import guotu_command
from guotu.model.errors import DeadlineExceeded, IncompleteAnswer
from tests.support.databases import database_of, remove_database
from tests.support.plots import NODE, Desk
from tests.support.small_mesh import eventually
from tests.support.version_mesh import NATION, hears, write_bulk

SLOW = "NOT (" + " OR ".join(f"BZ LIKE '%x%{number}%\\y%'" for number in range(900)) + ")"
"""A filter that every row passes: patterns with an escape are slow, one thread takes 8 s for all rows of a store of
DuckDB. In PostGIS somebody holds a lock."""
ROWS = 40_000
MOST_CPU_S = 3.0
"""What the owner may still spend on a question that is over; by itself it would take more."""
ENDS_S = 60.0


@pytest.fixture(scope="module", params=["duckdb", "postgis"])
def kind(request: pytest.FixtureRequest) -> str:
    """Where the owner has its rows; the nation, through which it is asked, has none."""
    return str(request.param)


@pytest.fixture(scope="module")
def database(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of the owner's database; empty if it has none of its own."""
    if kind == "duckdb":
        yield ""
        return
    home = tmp_path_factory.mktemp("database")
    yield database_of(home)
    remove_database(home)


@pytest.fixture(scope="module")
def desk(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Return the desk of a collection with many rows; one question at a time is read by the owner's store."""
    root, home = Path(tempfile.mkdtemp(prefix="gt-")), tmp_path_factory.mktemp("rows")
    options = {"store.readers": 1, "store.threads": 1}
    if database:
        file = home / "store.url"
        file.write_text(database, encoding="ascii")
        file.chmod(0o600)
        options = {"store.kind": "postgis", "store.url_file": str(file), "store.connections": 1}
    with LocalMesh(root) as mesh:
        mesh.add(NODE, overrides=options)
        mesh.add(NATION)
        mesh.start()
        made = Desk(mesh, f"{NODE}.slow", home)
        made.define()
        made.publish("--from", write_bulk(made, 500 if database else ROWS, 1))
        hears(mesh, made.dataset, 1)
        eventually(lambda: answers(made))
        yield made
    shutil.rmtree(root)


def answers(desk: Desk) -> bool:
    """Tell whether the nation has the owner's rows within a few seconds: the one reader is free."""
    with desk.mesh.client(NATION, timeout=10.0) as client, suppress(IncompleteAnswer):
        return client.stats(desk.collection, count=True).table().num_rows == 1
    return False


def give_up(desk: Desk, begun: Callable[[], None]) -> None:
    """Close the answer before its rows have come."""
    with desk.mesh.client(NATION) as client:
        answer = client.query(desk.collection, where=SLOW)
        begun()
        answer.close()


def run_out_of_time(desk: Desk, begun: Callable[[], None]) -> None:
    with desk.mesh.client(NATION, timeout=3.0) as client, pytest.raises((DeadlineExceeded, IncompleteAnswer)):
        client.stats(desk.collection, where=SLOW, group_by=["DLBM"]).table()


def press_ctrl_c(desk: Desk, begun: Callable[[], None]) -> None:
    words = ("--node", desk.mesh.address(NATION), "stats", desk.collection, "--count", "--where", SLOW)
    asking = subprocess.Popen([guotu_command(), *words], stderr=subprocess.PIPE, text=True)
    begun()
    asking.send_signal(signal.SIGINT)
    _, said = asking.communicate(timeout=120)
    assert asking.returncode == 130, said


class Beside:
    """Another user of the owner's database, who keeps it from reading rows, so that a question never ends by itself."""

    def __init__(self, database: str, dataset: str) -> None:
        self._database = database
        self._dataset = dataset
        self._runner = asyncio.Runner()

    def __enter__(self) -> Beside:
        # In a transaction the server goes on telling what it told of its activity at first.
        self._looking, self._locking = (self._runner.run(asyncpg.connect(self._database)) for _ in range(2))
        find = "SELECT current_table FROM guotu.generations WHERE dataset = $1"
        table = self._runner.run(self._locking.fetchval(find, self._dataset))
        self._runner.run(self._locking.execute(f'BEGIN; LOCK TABLE guotu."{table}"'))
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._locking.close())
        self._runner.run(self._looking.close())
        self._runner.close()

    def reading(self) -> int:
        """Return how many queries of the node there are, as the server tells."""
        found = self._runner.run(
            self._looking.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'guotu' AND state = 'active' "
                "AND wait_event_type = 'Lock' AND datname = current_database()"
            )
        )
        return int(found)


def cpu_seconds(desk: Desk) -> float:
    """Return what the owner's process has spent so far, however much else this machine has to do."""
    fields = Path(f"/proc/{desk.mesh.pid(NODE)}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def running(desk: Desk) -> int:
    """Return how many questions the owner answers, as its metrics tell."""
    with urllib.request.urlopen(f"http://{desk.mesh.nodes[NODE].metrics_address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return int(float(next(line for line in lines if line.startswith("guotu_questions_running ")).split()[1]))


@pytest.mark.parametrize("end", [give_up, run_out_of_time, press_ctrl_c])
def test_the_query_ends_where_the_rows_are(
    desk: Desk, database: str, end: Callable[[Desk, Callable[[], None]], None]
) -> None:
    with Beside(database, desk.dataset) if database else nullcontext() as beside:

        def begun() -> None:
            eventually(lambda: running(desk) == 1)
            if beside is not None:
                eventually(lambda: beside.reading() == 1)

        end(desk, begun)
        spent = cpu_seconds(desk)
        eventually(lambda: running(desk) == 0, ENDS_S)
        if beside is not None:
            eventually(lambda: beside.reading() == 0, ENDS_S)
    assert cpu_seconds(desk) - spent < MOST_CPU_S
    eventually(lambda: answers(desk))  # the store's one reader is free again
