"""Publishing from live tables: real nodes over either store, a real database that others work on meanwhile."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.mesh import LocalMesh
from tests.support.databases import database_of, remove_database
from tests.support.live_table import TABLE, Live
from tests.support.plots import NODE, Desk, key

ROWS = 400


@pytest.fixture(scope="module", params=["duckdb", "postgis"])
def mesh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """One node, with its rows in either store."""
    root, home = Path(tempfile.mkdtemp(prefix="gt-")), tmp_path_factory.mktemp("store")
    file = home / "store.url"
    file.write_text(database_of(home), encoding="ascii")
    file.chmod(0o600)
    postgis = {"store.kind": "postgis", "store.url_file": str(file), "store.connections": 8}
    made = LocalMesh(root, overrides={"registry.lease_ttl_s": 2})
    made.add(NODE, overrides=postgis if request.param == "postgis" else {})
    made.start()
    yield made
    made.close()
    shutil.rmtree(root)
    remove_database(home)


@pytest.fixture
def live(mesh: LocalMesh, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Live]:
    """A table of plots, and the desk of a collection of this test alone."""
    name = "t" + "".join(filter(str.isalnum, request.node.originalname.lower()))[-24:]
    desk = Desk(mesh, f"{NODE}.{name}", tmp_path)
    desk.define()
    made = Live(desk, database_of(tmp_path))
    made.fill(ROWS)
    yield made
    remove_database(tmp_path)


def test_a_table_is_published_and_then_only_what_changed(live: Live) -> None:
    first = live.publish()
    assert first["published"], first
    assert live.memory().exists()
    again = live.publish()
    assert not again["published"]
    assert again["seconds"].get("scan")
    live.sql(
        f"UPDATE {TABLE} SET mj = mj + 1 WHERE bsm IN ('{key(3)}', '{key(4)}')",
        f"DELETE FROM {TABLE} WHERE bsm = '{key(5)}'",
        f"INSERT INTO {TABLE} SELECT '{key(ROWS)}', dlbm, mj, bz, {ROWS}, ST_Translate(geom, 0, 0.01) FROM {TABLE} "
        f"WHERE bsm = '{key(6)}' RETURNING 1",
    )
    second = live.publish()
    change = second["change"]
    assert (change["inserts"], change["updates"], change["deletes"]) == (1, 2, 1), second


def test_an_audit_names_the_rows_that_differ(live: Live) -> None:
    live.publish()
    equal = live.audit()
    assert equal["equal"], equal
    assert equal["differences"] == []
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
    live.sql(f"DELETE FROM {TABLE} RETURNING 1")
    assert live.audit(code=10)["only_in_version"] == ROWS
