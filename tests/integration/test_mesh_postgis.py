"""A mesh in which one node keeps its rows in PostGIS and the other in DuckDB, either way round."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest

from demo.mesh import LocalMesh
from tests.support.databases import database_of, remove_database
from tests.support.interrupted import MOMENTS, became, begin_publish, entries, wait_for
from tests.support.layers import squares
from tests.support.live_table import TABLE, Live
from tests.support.plots import NODE, Desk, key, layer
from tests.support.small_mesh import PATIENT
from tests.support.version_mesh import NATION, ask, digest_of, operate, reaches, verify_sound, write_bulk

ROWS = 600
OWNER = pytest.mark.parametrize("mesh", [NODE], indirect=True, ids=["owner"])
FOLLOWER = pytest.mark.parametrize("mesh", [NATION], indirect=True, ids=["follower"])
BOTH = pytest.mark.parametrize("mesh", [NODE, NATION], indirect=True, ids=["owner", "follower"])
"""Which node has its rows in PostGIS."""


@pytest.fixture(scope="module")
def mesh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """An owner and a follower; one of them, the parameter, has its rows in PostGIS."""
    root, home = Path(tempfile.mkdtemp(prefix="gt-")), tmp_path_factory.mktemp("database")
    file = home / "store.url"
    file.write_text(database_of(home), encoding="ascii")
    file.chmod(0o600)
    made = LocalMesh(root, overrides=PATIENT)
    for node in (NODE, NATION):
        postgis = {"store.kind": "postgis", "store.url_file": str(file), "store.connections": 8}
        made.add(node, overrides=postgis if node == request.param else {})
    made.start()
    yield made
    password = database_of(home).partition("@")[0].rpartition(":")[2]
    said = "".join(made.log(node).read_text(encoding="utf-8") for node in (NODE, NATION))
    made.close()
    shutil.rmtree(root)
    remove_database(home)
    assert password not in said


@pytest.fixture
def desk(mesh: LocalMesh, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """Return the desk of a collection of this test alone, to which the nation has subscribed."""
    name = "p" + "".join(filter(str.isalnum, request.node.name.lower()))[-24:]
    made = Desk(mesh, f"{NODE}.{name}", tmp_path)
    made.define()
    operate(mesh, NATION, "subscribe", made.collection)
    return made


def answers(desk: Desk, node: str, version: int) -> list[Any]:
    """Return what a node itself answers: rows in their order, sorted, in a window, groups, an overlay; with digests."""
    words = ("--scope", "self", "--version", str(version), "--limit", "0")
    rows = [
        ask(desk.mesh, node, "query", desk.dataset, *words, *more)
        for more in ((), ("--sort", "-MJ"), ("--where", "DLBM = '0101' AND MJ < 1100"), ("--bbox", "104,30,104.1,30.6"))
    ]
    groups = ("--group-by", "DLBM", "--sum", "MJ", "--count", "--max", "MJ")
    rows.append(ask(desk.mesh, node, "stats", desk.dataset, *groups, *words[:4]))
    zones = desk.write(gpd.GeoDataFrame(geometry=squares(3, size=0.0101), crs=4490), "zones.gpkg")
    rows.append(ask(desk.mesh, node, "overlay", zones, "--with", desk.dataset, *groups[:2], *words[:4]))
    return [(answer["rows"], answer["digest"]) for answer in rows]


@BOTH
def test_versions_go_from_one_store_to_the_other(desk: Desk) -> None:
    mesh, counts = desk.mesh, {1: ROWS, 2: ROWS - 1, 3: ROWS}
    desk.publish("--from", desk.write(layer(ROWS)))
    reaches(mesh, desk.dataset, 1)
    later = layer(ROWS + 2)
    later.loc[[4, 5], "geometry"] = squares(2, south=30.6)
    touched = later.iloc[[4, 5, ROWS, ROWS + 1]].assign(_op=["变更", "变更", "新增", "新增"])
    gone = desk.csv("BSM\n" + "".join(f"{key(number)}\n" for number in (10, 11, 12)))
    done = desk.publish("--changes", desk.write(touched, "changes.gpkg"), "--deletes", gone)
    assert (done["change"]["inserts"], done["change"]["updates"], done["change"]["deletes"]) == (2, 2, 3)
    reaches(mesh, desk.dataset, 2)
    head = desk.publish("--from", desk.write(layer(ROWS)))["head"]
    reaches(mesh, desk.dataset, 3)
    seen = {version: answers(desk, NODE, version) for version in counts}
    assert {version: len(found[0][0]) for version, found in seen.items()} == counts
    assert all(found[2][0] and found[3][0] and found[5][0] for found in seen.values())
    for node in (NODE, NATION):
        assert {version: answers(desk, node, version) for version in counts} == seen
        changes = ask(mesh, node, "diff", desk.dataset, "1", "2")["change"]
        assert [changes[name] for name in ("inserts", "updates", "deletes")] == [2, 2, 3], changes
        verify_sound(mesh, node, desk.dataset, 3, head["digest"])
    for node in (NODE, NATION):
        mesh.restart(node)
        assert {version: answers(desk, node, version) for version in counts} == seen


@OWNER
def test_a_table_is_audited_against_a_replica_where_that_is_held(desk: Desk, tmp_path: Path) -> None:
    live = Live(desk, database_of(tmp_path))
    live.fill(50)
    live.publish()
    reaches(desk.mesh, desk.dataset, 1)
    words = ("audit", f"{TABLE}@{desk.dataset}@1", "--database", live.url)
    assert operate(desk.mesh, NATION, *words)["equal"]
    live.sql(f"UPDATE {TABLE} SET mj = mj + 1 WHERE bsm = '{key(7)}' RETURNING 1")
    found = operate(desk.mesh, NATION, *words, code=10)
    assert [(row["key"], row["fields"]) for row in found["differences"]] == [(key(7), ["MJ"])]
    remove_database(tmp_path)


@OWNER
def test_a_publish_that_is_killed_leaves_whole_versions(desk: Desk) -> None:
    """The node is killed with SIGKILL at four moments of a publish."""
    mesh, newest = desk.mesh, 1
    desk.publish("--from", write_bulk(desk, 2_000, 1))
    for seed, moment in enumerate(MOMENTS, start=2):
        kept, there = digest_of(desk, NODE, newest), entries(desk, moment)
        waiting = begin_publish(desk, write_bulk(desk, 2_000, seed))
        wait_for(desk, moment, there, waiting)
        mesh.kill(NODE)
        mesh.start_node(NODE)
        published = became(desk, waiting, newest)
        assert digest_of(desk, NODE, newest) == kept
        if not published:
            assert desk.publish("--from", write_bulk(desk, 2_000, seed))["published"]
        newest += 1
        assert desk.versions()[0] == newest
    reaches(mesh, desk.dataset, newest)
    head = desk.publish("--deletes", desk.csv(f"BSM\n{key(7)}\n"))["head"]
    verify_sound(mesh, NODE, desk.dataset, newest + 1, head["digest"])


@FOLLOWER
def test_a_follower_that_is_killed_takes_the_version_over(desk: Desk) -> None:
    """The node is killed with SIGKILL while it takes a version over."""
    mesh, newest = desk.mesh, 2
    desk.publish("--from", write_bulk(desk, 2_000, 1))
    reaches(mesh, desk.dataset, 1)
    head = desk.publish("--from", write_bulk(desk, 9_000, 9))["head"]
    mesh.kill(NATION)
    mesh.start_node(NATION)
    reaches(mesh, desk.dataset, head["version"])
    assert digest_of(desk, NATION, newest) == digest_of(desk, NODE, newest)
    verify_sound(mesh, NATION, desk.dataset, head["version"], head["digest"])
