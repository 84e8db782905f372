"""Layers that change, with a real node: whole layers and increments, what they change, and what does not fit."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow as pa
import pytest
import shapely

from demo.mesh import LocalMesh
from guotu.model.errors import InvalidQuestion
from guotu.wire.admin import AdminClient, PublishHeader, PublishResult
from tests.support.layers import squares
from tests.support.plots import FIELDS, NODE, ROWS, Desk, key, layer
from tests.support.small_mesh import eventually
from tests.support.version_mesh import running_mesh

GONE = pa.record_batch({"BSM": [key(5)]})


@pytest.fixture(scope="module")
def mesh() -> Iterator[LocalMesh]:
    with running_mesh([NODE]) as made:
        yield made


@pytest.fixture
def desk(mesh: LocalMesh, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """Return the desk of a collection of this test alone, with one version of `layer()`."""
    name = "p" + "".join(filter(str.isalnum, request.node.name.lower()))[-24:]
    made = Desk(mesh, f"{NODE}.{name}", tmp_path)
    made.define()
    first = made.publish("--from", made.write(layer()), "--message", "首次", "--source-date", "2024-12-31")
    assert (first["published"], first["head"]["version"], first["head"]["rows"]) == (True, 1, ROWS)
    return made


def counts(document: dict[str, Any]) -> tuple[int, int, int]:
    change = document["change"]
    return change["inserts"], change["updates"], change["deletes"]


def edited() -> gpd.GeoDataFrame:
    """Return a later state: five changed, two of them in shape, three gone, two new."""
    later = layer(ROWS + 2)
    later.loc[[1, 2, 3], "DLBM"] = "0101"
    later.loc[[4, 5], "geometry"] = squares(2, south=30.6)
    return later.drop(index=[10, 11, 12])


CHANGED = [1, 2, 4, 5]
"""Rows that differ in `edited`: the third was 0101 before."""


def test_a_whole_layer_tells_what_it_changes(desk: Desk) -> None:
    path = desk.write(edited())
    dry = desk.publish("--from", path, "--dry-run")
    assert (dry["published"], counts(dry), desk.versions()) == (False, (2, len(CHANGED), 3), [1])
    told = desk.run("--from", path, "--dry-run").out
    assert "公顷 ha" in told
    done = desk.publish("--from", path, "--message", "年度变更", "--source-date", "2025-12-31")
    assert (done["published"], done["head"]["version"], counts(done)) == (True, 2, counts(dry))
    assert done["change"]["inserted_ha"] == pytest.approx(done["change"]["inserted_m2"] / 1e4, abs=0.005)
    assert 2 * 2000 < done["change"]["inserted_m2"] < 2 * 4000
    assert done["bytes"] > 0
    manifest = desk.manifest()
    assert (manifest["message"], manifest["source_date"]) == ("年度变更", "2025-12-31")
    again = desk.publish("--from", path)
    assert (again["published"], counts(again), desk.versions()) == (False, (0, 0, 0), [2, 1])
    assert "内容未变" in desk.run("--from", path).out


def test_an_increment_makes_what_the_whole_layer_would(desk: Desk) -> None:
    later = edited()
    touched = later[later["BSM"].isin([*map(key, CHANGED), key(ROWS), key(ROWS + 1)])]
    before = layer().set_index("BSM")["DLBM"]
    touched = touched.assign(
        _op=["新增" if number >= key(ROWS) else "变更" for number in touched["BSM"]],
        DLBM__before=[before.get(number) for number in touched["BSM"]],
    )
    gone = desk.csv(
        "BSM,DLBM,原因\n" + "".join(f"{key(number)},{before[key(number)]},征收\n" for number in (10, 11, 12))
    )
    changes = desk.write(touched, "changes.gpkg")
    dry = desk.publish("--changes", changes, "--deletes", gone, "--dry-run")
    assert (dry["published"], counts(dry), desk.versions()) == (False, (2, len(CHANGED), 3), [1])
    done = desk.publish("--changes", changes, "--deletes", gone, "--message", "增量")
    assert (done["published"], counts(done), done["head"]["rows"]) == (True, counts(dry), len(later))
    same = desk.publish("--from", desk.write(later))
    assert (same["published"], same["head"]["digest"], desk.versions()) == (False, done["head"]["digest"], [2, 1])
    rows = desk.rows()
    assert rows.keys() == set(later["BSM"])
    assert rows[key(1)]["DLBM"] == "0101"
    moved = shapely.normalize(later.loc[4, "geometry"])
    assert rows[key(4)]["geometry"] == moved.wkb


def test_new_states_or_deletes_may_come_alone(desk: Desk) -> None:
    one = layer().iloc[[7]].assign(BZ="改")
    assert counts(desk.publish("--changes", desk.write(one, "one.gpkg"))) == (0, 1, 0)
    again = desk.publish("--changes", desk.write(one, "one.gpkg"))
    assert (again["published"], counts(again)) == (False, (0, 0, 0))
    own = desk.csv(f"标识码\n{key(0)}\n")
    assert counts(desk.publish("--deletes", own, "--key", "标识码")) == (0, 0, 1)
    rows = desk.rows()
    assert (rows[key(7)]["BZ"], key(0) in rows, desk.versions()) == ("改", False, [3, 2, 1])


def test_all_misfits_are_told_at_once_and_nothing_changes(desk: Desk) -> None:
    frame = layer(ROWS + 3).iloc[[0, 1, 2, 3, ROWS, ROWS + 1, ROWS + 2]]
    frame = frame.assign(
        BGLX=["新增", "变更", "变更", "变更", "变更", "新增", None],
        OLD=[None, "0103", None, None, None, None, None],
        MJ__before=[None, 1.0, 1000.5, None, None, None, None],
    )
    changes = desk.write(frame, "changes.gpkg")
    gone = desk.csv(f"BSM,BZ\n{key(3)},\n{key(900)},\n{key(8)},不对\n")
    arguments = ("--changes", changes, "--op", "BGLX", "--map", "OLD=DLBM__before", "--deletes", gone)
    before = desk.rows()
    for extra in ((), ("--dry-run",)):
        found = desk.publish(*arguments, *extra, code=2)
        assert (found["published"], found["error"]["reason"]) == (False, "IMPORT_REFUSED")
        misfits = {(row["kind"], row["key"], row["field"], row["stated"]) for row in found["report"]["misfits"]}
        assert misfits == {
            ("INSERT_OF_EXISTING", key(0), "", ""),
            ("BEFORE_DIFFERS", key(1), "DLBM", "0103"),
            ("BEFORE_DIFFERS", key(1), "MJ", "1.0"),
            ("UPDATE_OF_MISSING", key(ROWS), "", ""),
            ("CHANGED_AND_DELETED", key(3), "", ""),
            ("DELETE_OF_MISSING", key(900), "", ""),
            ("BEFORE_DIFFERS", key(8), "BZ", "不对"),
        }
        present = {row["field"]: row["present"] for row in found["report"]["misfits"] if row["key"] == key(1)}
        assert present == {"DLBM": "0102", "MJ": "1000.25"}
    told = desk.run(*arguments)
    assert told.code == 2
    for word in ("已经存在", "are there already", "0103 ≠ 0102", key(900)):
        assert word in told.out
    assert (desk.versions(), desk.rows()) == ([1], before)


def test_faults_of_the_rows_are_found_before_any_misfit(desk: Desk) -> None:
    frame = layer().iloc[[0, 1]].assign(DLBM=["0101", "0999"], _op="新增").drop(columns="BZ")
    found = desk.publish("--changes", desk.write(frame, "c.gpkg"), "--deletes", desk.csv("KEY\nx\n"), code=2)
    assert {(fault["kind"], fault["field"], fault["part"]) for fault in found["report"]["faults"]} == {
        ("INCOMPLETE_STATE", "BZ", ""),
        ("UNKNOWN_CODE", "DLBM", ""),
        ("MISSING_COLUMN", "BSM", "deletes"),
    }
    assert desk.versions() == [1]


def test_an_increment_of_nothing_yet_can_only_insert(mesh: LocalMesh, tmp_path: Path) -> None:
    desk = Desk(mesh, f"{NODE}.fresh", tmp_path)
    desk.define()
    found = desk.publish("--deletes", desk.csv(f"BSM\n{key(0)}\n"), code=2)
    assert [fault["kind"] for fault in found["report"]["faults"]] == ["DELETE_OF_MISSING"]
    done = desk.publish("--changes", desk.write(layer(3).assign(_op="I"), "c.gpkg"))
    assert (done["published"], done["head"]["rows"]) == (True, 3)


def test_a_definition_that_fits_makes_a_version_and_one_that_breaks_needs_a_series(desk: Desk) -> None:
    fits = (
        FIELDS.replace(
            'name = "BZ", title = "备注", type = "text", length = 20',
            ('name = "NOTE", renamed_from = "BZ", title = "备注", type = "text", length = 40'),
        )
        + '  { name = "SJNF", title = "年份", type = "integer" },\n'
    )
    desk.define(fits)
    wider = layer().rename(columns={"BZ": "NOTE"}).assign(SJNF=2025)
    done = desk.publish("--from", desk.write(wider))
    assert (done["published"], done["head"]["version"], desk.manifest()["series"]) == (True, 2, 1)
    assert desk.rows()[key(0)]["NOTE"] == "第 0 块"
    desk.define(fits.replace("length = 4, nullable", "length = 2, nullable").replace(', codes = "dl"', ""))
    eventually(lambda: desk.run("--from", desk.write(wider), "--dry-run").code == 2)
    narrow = desk.write(wider.assign(DLBM=wider["DLBM"].str[:2]))
    refused = desk.publish("--from", narrow, code=2)
    assert refused["error"]["reason"] == "INCOMPATIBLE_SCHEMA"
    assert "DLBM" in refused["error"]["message"]
    assert desk.versions() == [2, 1]
    done = desk.publish("--from", narrow, "--new-series")
    assert (done["head"]["version"], done["change"], desk.manifest()["series"]) == (3, None, 2)


def test_of_two_publishers_one_wins_and_the_other_may_try_again(desk: Desk) -> None:
    """The first has sent its header and holds its rows back while the second comes."""
    sent, go_on = threading.Event(), threading.Event()

    def deletes() -> Iterator[pa.RecordBatch]:
        yield GONE
        sent.set()
        assert go_on.wait(60)

    results: list[PublishResult] = []

    def first() -> None:
        header = PublishHeader(desk.collection, None, "first-publisher", increment=True, deletes_schema=GONE.schema)
        with AdminClient(desk.mesh.admin_socket(NODE)) as admin:
            frames = admin.publish(header, (), deletes())
            results.extend(frame for frame in frames if isinstance(frame, PublishResult))

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert sent.wait(60)
        other = desk.csv(f"BSM\n{key(6)}\n")
        eventually(lambda: desk.run("--deletes", other, "--dry-run").code == 8)
        refused = desk.publish("--deletes", other, code=8)
        assert refused["error"]["reason"] == "PUBLISH_CONFLICT"
    finally:
        go_on.set()
        thread.join(60)
    assert [result.published for result in results] == [True]
    retried = desk.publish("--deletes", other)
    assert (retried["published"], retried["head"]["version"]) == (True, 3)
    assert not {key(5), key(6)} & desk.rows().keys()


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({"source_date": "last year"}, "source_date"),
        ({"schema": GONE.schema, "deletes_schema": None}, "does not announce"),
        ({"increment": False}, "not an Arrow schema"),
    ],
)
def test_a_publish_that_is_not_as_announced_is_refused(desk: Desk, header: dict[str, Any], told: str) -> None:
    facts = {"schema": None, "increment": True, "deletes_schema": GONE.schema, **header}
    announced = PublishHeader(collection=desk.collection, write_id="not-as-announced", **facts)
    with AdminClient(desk.mesh.admin_socket(NODE)) as admin, pytest.raises(InvalidQuestion, match=told):
        list(admin.publish(announced, (), [GONE]))
    assert desk.versions() == [1]
    scratch = desk.mesh.data_dir(NODE)
    assert not [path for path in scratch.rglob("not-as-announced*")]
