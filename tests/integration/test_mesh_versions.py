"""Versions on their way through a real mesh, by the real command line: edited, shipped, compared, pinned, carried."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from demo.mesh import LocalMesh
from tests.support.layers import SOUTH, WEST, squares
from tests.support.plots import NODE, Desk, key, layer
from tests.support.small_mesh import eventually, run_guotu
from tests.support.version_mesh import NATION, ask, operate, reaches, replica_of, running_mesh, verify_sound

ROWS = 600
"""So many that a delta is small against them."""
INSERTED, CHANGED, DELETED = (ROWS, ROWS + 1), (1, 2, 4, 5), (10, 11, 12)
OPTIONS = {"versions.keep": 2, "versions.grace_hours": 0.0}


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with running_mesh([NODE, NATION], OPTIONS) as made:
        yield made


@pytest.fixture
def desk(mesh: LocalMesh, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """Return the desk of a collection of this test alone, whose first version the nation has a replica of."""
    name = "v" + "".join(filter(str.isalnum, request.node.name.lower()))[-24:]
    made = Desk(mesh, f"{NODE}.{name}", tmp_path)
    made.define()
    operate(mesh, NATION, "subscribe", made.collection)
    made.publish("--from", made.write(layer(ROWS)), "--message", "首次", "--source-date", "2024-12-31")
    reaches(mesh, made.dataset, 1)
    return made


def edit(desk: Desk) -> Any:
    """Publish an increment: four changed, two of them in shape, two new, three gone."""
    later = layer(ROWS + 2)
    later.loc[[1, 2], "DLBM"] = "0101"
    later.loc[[4, 5], "geometry"] = squares(2, south=30.6)
    touched = later.iloc[[*CHANGED, *INSERTED]].assign(_op=["变更"] * len(CHANGED) + ["新增"] * len(INSERTED))
    gone = desk.csv("BSM\n" + "".join(f"{key(number)}\n" for number in DELETED))
    return desk.publish("--changes", desk.write(touched, "changes.gpkg"), "--deletes", gone, "--message", "年度变更")


def answers(desk: Desk, node: str, version: int) -> tuple[Any, ...]:
    """Return what a node tells of a version: rows, digest, and totals with theirs."""
    rows = ask(desk.mesh, node, "query", desk.dataset, "--version", str(version), "--limit", "0")
    words = ("stats", desk.dataset, "--group-by", "DLBM", "--sum", "MJ", "--count", "--version", str(version))
    totals = ask(desk.mesh, node, *words)
    for answer in (rows, totals):
        (member,) = answer["completeness"]["members"]
        assert (member["outcome"], member["version"]) == ("ANSWERED" if node == NODE else "REPLICA", version)
        assert answer["node"] == node
    return rows["rows"], rows["digest"], totals["rows"], totals["digest"]


def test_an_edit_reaches_the_replica_and_both_answer_alike(desk: Desk) -> None:
    mesh, done = desk.mesh, edit(desk)
    assert (done["change"]["inserts"], done["change"]["updates"], done["change"]["deletes"]) == (2, 4, 3)
    reaches(mesh, desk.dataset, 2)
    told = operate(mesh, NATION, "replicas")
    assert desk.collection in told["subscriptions"]
    (standing,) = [item for item in told["replicas"] if item["dataset"] == desk.dataset]
    assert (standing["version"], standing["head"], standing["lag_versions"], standing["rows"]) == (2, 2, 0, ROWS - 1)
    assert (standing["last_error"], standing["subscription"]) == ("", desk.collection)
    seen = {}
    for version, rows in ((1, ROWS), (2, ROWS - 1)):
        seen[version] = answers(desk, NODE, version)
        assert answers(desk, NATION, version) == seen[version]
        assert len(seen[version][0]) == rows == sum(group["count"] for group in seen[version][2])
    assert seen[1] != seen[2]
    for node in (NODE, NATION):
        known = ask(mesh, node, "versions", desk.dataset)["versions"]
        kinds = [(item["version"], item["queryable"], item["base"]) for item in known]
        assert kinds == [(2, True, False), (1, True, True)]
        told = (known[0]["message"], known[0]["change"]["deletes"], known[1]["source_date"])
        assert told == ("年度变更", 3, "2024-12-31")
        verify_sound(mesh, node, desk.dataset, 2, done["head"]["digest"])
    with mesh.client(NODE) as client:
        assert NATION in {item.node for item in client.nodes()}


@pytest.mark.parametrize("node", [NODE, NATION])
def test_a_difference_in_every_form(desk: Desk, node: str) -> None:
    edit(desk)
    reaches(desk.mesh, desk.dataset, 2)
    address, folder = desk.mesh.address(node), desk.folder
    told = run_guotu("diff", desk.dataset, "1", "2", node=address)
    assert told.code == 0, told.err
    for words in ("0102", "0101", key(DELETED[0]), key(INSERTED[0])):
        assert words in told.out
    for form in ("geojson", "gpkg", "parquet"):
        out = folder / f"diff.{form}"
        document = ask(desk.mesh, node, "diff", desk.dataset, "1", "2", "-o", out)
        assert (document["change"]["inserts"], document["change"]["updates"], document["change"]["deletes"]) == (
            2,
            4,
            3,
        )
    expected = {key(number): "update" for number in CHANGED}
    expected |= {key(number): "insert" for number in INSERTED} | {key(number): "delete" for number in DELETED}
    features = json.loads((folder / "diff.geojson").read_text())["features"]
    changes = {item["properties"]["BSM"]: item for item in features}
    assert {name: item["properties"]["op"] for name, item in changes.items()} == expected
    changed = changes[key(1)]["properties"]
    assert (changed["before_DLBM"], changed["after_DLBM"]) == ("0102", "0101")
    table = {row["BSM"]: row for row in pq.read_table(folder / "diff.parquet").to_pylist()}
    assert {name: row["op"] for name, row in table.items()} == expected
    moved, old = table[key(4)], layer().geometry[4]
    assert shapely.from_wkb(moved["before"]["geometry"]).equals(old)
    assert shapely.from_wkb(moved["after"]["geometry"]).equals(squares(2, south=30.6)[0])
    assert table[key(INSERTED[0])]["before"] is None
    before, after = (pyogrio.read_dataframe(folder / "diff.gpkg", layer=name) for name in ("before", "after"))
    assert set(before["BSM"]) == {name for name, op in expected.items() if op != "insert"}
    assert set(after["BSM"]) == {name for name, op in expected.items() if op != "delete"}


def test_pinned_versions_stay_and_garbage_goes(desk: Desk) -> None:
    mesh, later = desk.mesh, layer(ROWS)
    for node in (NODE, NATION):
        assert operate(mesh, node, "pin", f"{desk.dataset}@1", "--reason", "年报")["changed"]
    for version in (2, 3, 4):
        later.loc[:, "BZ"] = f"第 {version} 版"
        desk.publish("--from", desk.write(later))
        reaches(mesh, desk.dataset, version)
    for node in (NODE, NATION):
        mesh.restart(node)  # a node collects by itself each minute from its start, and not in the middle of this
        operate(mesh, node, "gc", "--yes")
        known = ask(mesh, node, "versions", desk.dataset)["versions"]
        assert [(item["version"], item["pinned"]) for item in known] == [(4, False), (3, False), (1, True)]
        assert len(ask(mesh, node, "query", desk.dataset, "--version", "1", "--limit", "0")["rows"]) == ROWS
        refused = ask(mesh, node, "query", desk.dataset, "--version", "2", "--scope", "self", code=5)
        assert refused["error"]["reason"] == "UNKNOWN_VERSION"
        assert operate(mesh, node, "unpin", f"{desk.dataset}@1")["changed"]
        dry = operate(mesh, node, "gc")
        assert (dry["dry_run"], {"dataset": desk.dataset, "version": 1} in dry["versions"]) == (True, True)
        assert len(ask(mesh, node, "versions", desk.dataset)["versions"]) == 3
        operate(mesh, node, "gc", "--yes")
        assert operate(mesh, node, "gc", "--yes")["swept"] > 0
        assert [item["version"] for item in ask(mesh, node, "versions", desk.dataset)["versions"]] == [4, 3]
        told = operate(mesh, node, "verify", desk.dataset)
        assert (told["sound"], told["version"], told["rows"]) == (True, 4, ROWS)
    assert answers(desk, NODE, 3) == answers(desk, NATION, 3)


def area_file(folder: Path, plots: int) -> Path:
    """Write a rectangle around the first so many plots."""
    path = folder / "area.gpkg"
    path.unlink(missing_ok=True)
    east = WEST + (plots - 0.5) * 0.001 - 0.0001
    gpd.GeoDataFrame(geometry=[shapely.box(WEST - 0.001, SOUTH - 0.001, east, SOUTH + 0.0007)], crs=4490).to_file(path)
    return path


def test_an_area_grows_features_cross_its_edge_and_it_ends(desk: Desk) -> None:
    mesh, dataset = desk.mesh, desk.dataset

    def rows() -> int:
        standing = replica_of(mesh, dataset)
        return standing.rows if standing is not None and standing.state == "current" else -1

    def asked() -> set[str]:
        answer = ask(mesh, NATION, "query", dataset, "--limit", "0")
        (member,) = answer["completeness"]["members"]
        assert (member["node"], member["outcome"]) == (NODE, "ANSWERED"), "a part may not answer for the whole"
        return {row["BSM"] for row in answer["rows"]}

    operate(mesh, NATION, "subscribe", desk.collection, "--area", area_file(desk.folder, 8))
    eventually(lambda: rows() == 8)
    assert replica_of(mesh, dataset).area_name  # type: ignore[union-attr]
    later = layer(ROWS)
    later.loc[[0, 20], "geometry"] = later.loc[[20, 0], "geometry"].values
    later = later.drop(index=[3])
    desk.publish("--from", desk.write(later))
    reaches(mesh, dataset, 2)
    assert (rows(), asked()) == (7, set(later["BSM"]))
    told = operate(mesh, NATION, "verify", dataset)
    assert (told["sound"], told["rows"]) == (True, 7)
    operate(mesh, NATION, "subscribe", desk.collection, "--area", area_file(desk.folder, 12))
    eventually(lambda: rows() == 11)
    mesh.restart(NATION)
    eventually(lambda: rows() == 11)
    told = operate(mesh, NATION, "verify", dataset)
    assert (told["sound"], told["rows"]) == (True, 11)
    ended = operate(mesh, NATION, "unsubscribe", desk.collection)
    assert ended["datasets"] == [dataset]
    assert replica_of(mesh, dataset) is None
    refused = ask(mesh, NATION, "query", dataset, "--scope", "self", code=5)
    assert refused["error"]["reason"] == "UNKNOWN_DATASET"
