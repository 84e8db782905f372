"""Publishing from a live table, and auditing it: a real node over either store, a database that others work on."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from demo.mesh import LocalMesh
from tests.support.live_table import TABLE, Live, live_table, one_node
from tests.support.plots import NODE, key, layer

ROWS = 400
_MOVED = f"""
WITH two AS (SELECT bsm, row_number() OVER () AS n FROM (SELECT bsm FROM {TABLE} ORDER BY random() LIMIT 2) AS s)
UPDATE {TABLE} AS p SET mj = mj + CASE WHEN two.n = 1 THEN 1 ELSE -1 END FROM two WHERE two.bsm = p.bsm
"""
_KILLED = """
import os, signal, sys
from node.fingerprints.book import Book
Book.keep = lambda *words: os.kill(os.getpid(), signal.SIGKILL)
from node.cli.program import main
main()
"""


@pytest.fixture(scope="module", params=["duckdb", "postgis"])
def mesh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    with one_node(tmp_path_factory.mktemp("store"), postgis=request.param == "postgis") as made:
        yield made


@pytest.fixture
def live(mesh: LocalMesh, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Live]:
    with live_table(mesh, tmp_path, request.node.originalname, ROWS) as made:
        yield made


def test_after_the_first_time_only_what_changed_is_read(live: Live) -> None:
    first = live.publish("--message", "首次")
    assert (first["published"], first["report"]["rows"]) == (True, ROWS)
    assert live.desk.manifest()["source"] == f"{TABLE} (PostgreSQL, EPSG:4490)"
    found = live.desk.rows()
    assert len(found) == ROWS
    assert found[key(8)]["BZ"] == "第 8 块"
    assert (found[key(9)]["BZ"], found[key(9)]["DLBM"], found[key(9)]["MJ"]) == (None, "0101", 1002.25)
    again = live.publish()
    assert (again["published"], again["head"], again["change"]["inserts"]) == (False, first["head"], 0)
    assert again["report"]["rows"] == ROWS
    edit(live)
    assert live.publish("--dry-run")["published"] is False
    second = live.publish()
    change = second["change"]
    assert (change["inserts"], change["updates"], change["deletes"]) == (1, 2, 1)
    assert second["report"]["rows"] == 4
    assert "scan" not in first["seconds"]
    assert "scan" in second["seconds"]
    assert live.audit()["equal"]


def edit(live: Live) -> None:
    live.sql(
        f"UPDATE {TABLE} SET mj = mj + 1 WHERE bsm IN ('{key(3)}', '{key(4)}')",
        f"DELETE FROM {TABLE} WHERE bsm = '{key(5)}'",
        f"INSERT INTO {TABLE} SELECT '{key(ROWS)}', dlbm, mj, bz, {ROWS}, ST_Translate(geom, 0, 0.01) FROM {TABLE} "
        f"WHERE bsm = '{key(6)}' RETURNING 1",
    )


def test_an_audit_names_the_rows_that_differ(live: Live) -> None:
    live.publish()
    assert live.audit()["equal"]
    live.sql(
        f"UPDATE {TABLE} SET mj = mj + 1, bz = '改' WHERE bsm = '{key(3)}'",
        f"UPDATE {TABLE} SET geom = ST_Reverse(geom) WHERE bsm = '{key(4)}'",
        f"UPDATE {TABLE} SET geom = ST_Translate(geom, 0, 0.00001) WHERE bsm = '{key(6)}'",
        f"DELETE FROM {TABLE} WHERE bsm = '{key(5)}'",
        f"INSERT INTO {TABLE} SELECT '{key(ROWS)}', dlbm, mj, bz, {ROWS}, ST_Translate(geom, 0, 0.01) FROM {TABLE} "
        f"WHERE bsm = '{key(7)}' RETURNING 1",
    )
    found = live.audit(code=10)
    assert [(row["key"], row["how"], row["fields"]) for row in found["differences"]] == [
        (key(3), "differing", ["MJ", "BZ"]),
        (key(5), "only_in_version", []),
        (key(6), "differing", ["geometry"]),
        (key(ROWS), "only_in_table", []),
    ]
    assert (found["only_in_table"], found["only_in_version"], found["differing"]) == (1, 1, 2)
    assert len(live.audit("--limit", "1", code=10)["differences"]) == 1
    live.publish()
    assert live.audit()["equal"]
    assert live.audit(version="@1", code=10)["differences"] == found["differences"]
    assert live.audit(version="@9", code=5)["error"]["reason"] == "UNKNOWN_VERSION"
    live.sql(f"DELETE FROM {TABLE} RETURNING 1")
    assert live.audit(code=10)["only_in_version"] == ROWS


def test_a_version_is_one_moment_of_a_table_that_is_being_edited(live: Live) -> None:
    """Each transaction moves area from one plot to another: in every moment they add up to the same."""
    total = sum(row["MJ"] for row in layer(ROWS).to_dict("records"))
    stop, edited = threading.Event(), threading.Event()
    editing = threading.Thread(target=lambda: asyncio.run(keep_editing(live.url, stop, edited)))
    editing.start()
    try:
        for version in (1, 2, 3):
            for _ in range(2):  # of two edits, the second was begun after the version before
                edited.clear()
                assert edited.wait(60)
            assert live.publish()["head"]["version"] == version
            assert sum(row["MJ"] for row in live.desk.rows().values()) == pytest.approx(total)
    finally:
        stop.set()
        editing.join()


async def keep_editing(url: str, stop: threading.Event, edited: threading.Event) -> None:
    connection = await asyncpg.connect(url)
    while not stop.is_set():
        await connection.execute(_MOVED)
        edited.set()
    await connection.close()


def test_random_edits_make_the_version_that_reading_everything_would(live: Live) -> None:
    luck = random.Random(5)
    live.publish()
    for number in range(4):
        places = luck.sample(range(ROWS), 12)
        values = [f"(VALUES ('{key(place)}', {luck.randrange(10**6) / 100})) AS v (k, m)" for place in places]
        live.sql(
            *(f"UPDATE {TABLE} SET mj = v.m FROM {value} WHERE bsm = v.k" for value in values[:5]),
            f"UPDATE {TABLE} SET bz = NULL WHERE bsm = '{key(places[5])}'",
            f"UPDATE {TABLE} SET bsm = 'x{number}' || substr(bsm, 3) WHERE bsm = '{key(places[6])}'",
            f"DELETE FROM {TABLE} WHERE bsm IN ('{key(places[7])}', '{key(places[8])}')",
            f"UPDATE {TABLE} SET bz = bz, mj = mj WHERE bsm = '{key(places[9])}' RETURNING 1",
        )
        done = live.publish()
        assert "scan" in done["seconds"]
        assert done["published"]
        assert live.audit()["equal"]


def test_a_crash_before_the_fingerprints_are_kept_costs_only_reading_everything(live: Live) -> None:
    live.publish()
    before = live.memory.read_bytes()
    edit(live)
    words = ("publish", live.desk.collection, "--from-table", TABLE, "--database", live.url)
    command = (sys.executable, "-c", _KILLED, "--config", str(live.desk.mesh.config(NODE)), *words)
    done = subprocess.run(command, capture_output=True, timeout=200, env={**os.environ, "PYTHONPATH": "."})
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert live.desk.versions()[0] == 2
    assert live.memory.read_bytes() == before
    assert live.audit()["equal"]
    again = live.publish()
    assert (again["published"], "scan" in again["seconds"]) == (False, False)
    assert "scan" in live.publish()["seconds"]
    assert sorted(path.name for path in (live.memory.parent / "drafts").iterdir()) == []
