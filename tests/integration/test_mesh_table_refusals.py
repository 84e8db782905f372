"""Tables that cannot be published as they are, what makes everything be read, and a publish that is broken off."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.mesh import LocalMesh
from demo.node_process import guotu_command
from tests.support.interrupted import begin_publish
from tests.support.live_table import TABLE, Live, faults, live_table, one_node
from tests.support.plots import FIELDS, NODE, key, layer
from tests.support.small_mesh import eventually
from tests.support.version_mesh import operate

ROWS = 30


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    with one_node(tmp_path_factory.mktemp("store"), postgis=False) as made:
        yield made


@pytest.fixture
def live(mesh: LocalMesh, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Live]:
    with live_table(mesh, tmp_path, request.node.name, ROWS) as made:
        yield made


def scanned(document: Any) -> bool:
    """Tell whether fingerprints were asked, not the rows themselves."""
    return "scan" in document["seconds"]


def published(live: Live) -> bool:
    """Tell whether the node has any version of the dataset."""
    with live.desk.mesh.client(NODE) as client:
        return live.desk.dataset in [record.dataset for record in client.datasets(live.desk.collection)]


def test_what_makes_other_rows_makes_everything_be_read(live: Live) -> None:
    live.publish()
    assert scanned(live.publish())
    some = ("--where", "mj < 1005")
    fewer = live.publish(*some)
    assert (scanned(fewer), fewer["head"]["rows"]) == (False, 20)
    assert live.audit()["rows"] == 20
    assert scanned(live.publish(*some))
    assert not scanned(live.publish())
    live.sql(f"ALTER TABLE {TABLE} ALTER bz TYPE varchar(30)", "SELECT 1")
    retyped = live.publish()
    assert (scanned(retyped), retyped["published"]) == (False, False)
    assert scanned(live.publish())
    assert not scanned(live.publish("--repair"))
    assert not scanned(live.publish("--force-bounds"))


def test_a_head_that_came_from_elsewhere_makes_everything_be_read(live: Live) -> None:
    live.publish()
    live.desk.publish("--from", live.desk.write(layer(ROWS - 5)))
    back = live.publish()
    assert (scanned(back), back["change"]["inserts"], back["head"]["version"]) == (False, 5, 3)
    live.desk.define(FIELDS.replace("length = 20", "length = 40"))
    wider = live.publish()
    assert (scanned(wider), wider["head"]["version"]) == (False, 4)
    assert scanned(live.publish())


def test_an_increment_against_another_head_is_a_conflict(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head moves after the fingerprints were compared."""
    from node.cli.publication import Sending

    live.publish()
    live.sql(f"UPDATE {TABLE} SET mj = 1 WHERE bsm = '{key(1)}' RETURNING 1")
    send = Sending.run
    file = live.desk.write(layer(ROWS - 5))

    def late(self: Sending, sources: Any) -> Any:
        told, _ = begin_publish(live.desk, file).communicate(timeout=120)
        assert json.loads(told)["published"]
        return send(self, sources)

    monkeypatch.setattr(Sending, "run", late)
    assert live.publish(code=8)["error"]["reason"] == "PUBLISH_CONFLICT"
    assert live.desk.versions() == [2, 1]


@pytest.mark.parametrize(
    ("edit", "words", "found"),
    [
        ("ALTER geom TYPE geometry USING ST_SetSRID(geom, 0)", (), ["CRS_MISSING"]),
        ("ALTER geom TYPE geometry USING ST_SetSRID(geom, 4490 + 54 * (objectid % 2))", (), ["MIXED_CRS"]),
        ("ALTER geom TYPE geometry(Polygon, 4610) USING ST_SetSRID(geom, 4610)", (), ["CRS_DATUM"]),
        ("ADD label geometry(Point, 4490)", (), ["GEOMETRY_AMBIGUOUS"]),
        ("ADD label geometry(Point, 4490)", ("--geometry", "shape"), ["GEOMETRY_AMBIGUOUS"]),
        ("DROP geom", (), ["GEOMETRY_MISSING"]),
        ("ALTER geom TYPE geometry USING ST_SetSRID('CURVEPOLYGON(CIRCULARSTRING(0 0, 1 1, 2 0, 1 -1, 0 0))'"
         "::geometry, 4490)", (), ["GEOMETRY_CURVED"]),
        ("DROP mj, ADD worker text", (), ["MISSING_COLUMN", "EXTRA_COLUMN"]),
        ("ALTER bsm DROP NOT NULL, ALTER bsm TYPE text USING nullif(left(bsm, 17), '51010000000000002')", (),
         ["KEY_NULL", "KEY_DUPLICATE"]),
        ("ALTER mj TYPE timestamp USING 'infinity'", (), ["WRONG_TYPE"]),
        ("ALTER dlbm TYPE text USING '9999'", (), ["UNKNOWN_CODE"]),
    ],
)  # fmt: skip
def test_all_faults_of_a_table_are_told_and_nothing_is_published(
    live: Live, edit: str, words: tuple[str, ...], found: list[str]
) -> None:
    live.sql(f"ALTER TABLE {TABLE} {edit}", "SELECT 1")
    told = live.publish(*words, code=2)
    assert set(found) <= set(faults(told)), faults(told)
    assert not published(live)
    assert not live.memory.exists()


def test_a_fault_that_comes_with_an_edit_is_told_and_the_fingerprints_stay(live: Live) -> None:
    live.publish()
    kept = live.memory.read_bytes()
    live.sql(
        f"UPDATE {TABLE} SET dlbm = '9999', mj = 123456789 WHERE bsm = '{key(2)}'",
        f"INSERT INTO {TABLE} SELECT bsm, dlbm, mj, bz, 0, geom FROM {TABLE} WHERE bsm = '{key(3)}' RETURNING 1",
    )
    assert set(faults(live.publish(code=2))) == {"UNKNOWN_CODE", "KEY_DUPLICATE"}
    assert live.memory.read_bytes() == kept
    live.sql(f"DELETE FROM {TABLE} WHERE objectid = 0 RETURNING 1")
    assert faults(live.publish(code=2)) == ["UNKNOWN_CODE"]
    live.sql(f"UPDATE {TABLE} SET dlbm = '0101' WHERE bsm = '{key(2)}' RETURNING 1")
    assert live.publish()["change"]["updates"] == 1


@pytest.mark.parametrize(
    ("table", "words", "code", "reason", "remedy"),
    [
        ("land.no_such", (), 2, "INVALID_TABLE", "--database"),
        ("land.", (), 2, "INVALID_TABLE", "[SCHEMA.]TABLE"),
        ("land.plots; DROP TABLE land.plots", (), 2, "INVALID_TABLE", "[SCHEMA.]TABLE"),
        (TABLE, ("--where", "mj <"), 2, "INVALID_FILTER", "column"),
        (TABLE, ("--where", "mj = 'x'"), 2, "INVALID_FILTER", "mj"),
        (TABLE, ("--where", "area > 1"), 5, "UNKNOWN_FIELD", "objectid"),
        (TABLE, ("--database", "mysql://u:secret-word@h/d"), 2, "INVALID_QUESTION", "postgresql://"),
        (TABLE, ("--database", "postgresql://u:secret-word@127.0.0.1:1/d"), 6, "DATABASE_UNAVAILABLE", "Refused"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_its_remedy(
    live: Live, table: str, words: tuple[str, ...], code: int, reason: str, remedy: str
) -> None:
    error = live.publish(*words, table=table, code=code)["error"]
    assert error["reason"] == reason
    assert remedy in json.dumps(error)
    assert "secret-word" not in json.dumps(error)
    assert live.sql(f"SELECT count(*) FROM {TABLE}") == [(ROWS,)]


def test_a_user_who_may_not_read_is_told_what_to_grant(live: Live) -> None:
    live.sql(f"REVOKE SELECT ON {TABLE} FROM current_user", "SELECT 1")
    error = live.publish(code=2)["error"]
    assert error["reason"] == "INVALID_TABLE"
    assert f"GRANT SELECT ON {TABLE}" in error["message"]
    live.sql(
        f"GRANT SELECT ON {TABLE} TO current_user",
        f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "SELECT 1",
    )
    hidden = live.publish(code=2)["error"]
    assert "BYPASSRLS" in hidden["message"]
    assert not published(live)


def test_coordinates_come_to_cgcs2000_and_names_are_matched(live: Live) -> None:
    live.sql(
        f"ALTER TABLE {TABLE} ALTER geom TYPE geometry(Polygon, 4544) USING ST_Transform(geom, 4544)",
        f'ALTER TABLE {TABLE} RENAME TO "PLOTS"',
        'ALTER TABLE land."PLOTS" RENAME mj TO "图斑 面积"',
        'ALTER TABLE land."PLOTS" ADD label geometry(Point, 4490), ADD worker text',
        "SELECT 1",
    )
    words = ("--geometry", "GEOM", "--map", "图斑 面积=MJ", "--map", "worker=")
    done = live.publish(*words, table="land.PLOTS")
    assert done["published"], done
    assert live.desk.manifest()["source"] == "land.PLOTS (PostgreSQL, EPSG:4544)"
    west, south = live.desk.manifest()["extent"][:2]
    assert (west, south) == (pytest.approx(104.06, abs=1e-9), pytest.approx(30.55, abs=1e-9))
    live.sql(f"UPDATE land.\"PLOTS\" SET geom = ST_Translate(geom, 0.5, 0) WHERE bsm = '{key(4)}' RETURNING 1")
    again = live.publish(*words, table="land.PLOTS")
    assert (scanned(again), again["change"]["updates"]) == (True, 1)
    target = f"land.PLOTS@{live.desk.dataset}"
    audited = operate(live.desk.mesh, NODE, "audit", target, "--database", live.url)
    assert audited["equal"], audited


def test_times_of_change_do_not_count(live: Live) -> None:
    live.sql(f"ALTER TABLE {TABLE} ADD changed timestamptz DEFAULT now()", "SELECT 1")
    words = ("--map", "changed=")
    live.publish(*words)
    live.sql(f"UPDATE {TABLE} SET changed = now() + interval '1 day', bz = bz RETURNING 1")
    touched = live.publish(*words)
    assert (scanned(touched), touched["published"]) == (True, False)
    live.sql(f"UPDATE {TABLE} SET mj = mj + 1, changed = '2000-01-01' WHERE bsm = '{key(3)}' RETURNING 1")
    edited = live.publish(*words)
    assert (scanned(edited), edited["change"]["updates"]) == (True, 1)


def test_a_column_of_any_reference_system_is_looked_at_each_time(live: Live) -> None:
    live.sql(f"ALTER TABLE {TABLE} ALTER geom TYPE geometry USING ST_SetSRID(geom, 0)", "SELECT 1")
    assert live.publish("--crs", "EPSG:4490")["published"]
    live.sql(f"UPDATE {TABLE} SET mj = 7 WHERE bsm = '{key(1)}' RETURNING 1")
    again = live.publish("--crs", "EPSG:4490")
    assert (scanned(again), again["change"]["updates"]) == (True, 1)
    live.sql(f"UPDATE {TABLE} SET geom = ST_SetSRID(geom, 4490) WHERE bsm = '{key(2)}' RETURNING 1")
    assert faults(live.publish("--crs", "EPSG:4490", code=2)) == ["MIXED_CRS"]
    assert live.desk.versions() == [2, 1]


def test_breaking_off_ends_the_query_and_changes_nothing(live: Live) -> None:
    live.sql(f"CREATE VIEW land.slow AS SELECT p.* FROM {TABLE} AS p, LATERAL pg_sleep(2 + objectid / 100)", "SELECT 1")
    words = ("publish", live.desk.collection, "--from-table", "land.slow", "--database", live.url)
    command = (guotu_command(), "--config", str(live.desk.mesh.config(NODE)), *words)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    active = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'guotu publish' AND datname = current_database()"
    eventually(lambda: live.sql(f"{active} AND state = 'active' AND query LIKE '%slow%'") != [])
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == 130, said
    eventually(lambda: live.sql(active) == [])
    assert not published(live)
    assert not live.memory.exists()
