"""`guotu publish` of increments, and what it tells of the change, against a socket that answers as it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from guotu.model.records import Change
from node.cli.change_table import change_document
from node.cli.program import program
from node.ingest.misfits import misfit_row
from tests.support.canned_node import CannedNode, Script

COUNTY = Path(__file__).parents[2] / "demo/data/county.parquet"
CHANGE = Change(2, 3, 1, 25_049.99, 1_000_000.0, 1_234_567.0, 50.0)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def config(tmp_path: Path, script: Script) -> Iterator[Path]:
    result = CliRunner().invoke(program, ["node", "init", "--id", "510000", "-o", str(tmp_path / "guotu.toml")])
    assert result.exit_code == 0, result.stderr
    server = CannedNode(script, tmp_path / "guotu-data" / "admin.sock")
    yield tmp_path / "guotu.toml"
    server.stop()


def publish(config: Path, *arguments: str | Path) -> Result:
    return CliRunner().invoke(program, ["--config", str(config), "publish", "county", *map(str, arguments)])


def found(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture
def changes(tmp_path: Path) -> Path:
    frame = geopandas.read_parquet(COUNTY).iloc[:3].drop(columns="bbox", errors="ignore")
    frame = frame.assign(_op=["insert", "U", None], name__before=["", "旧名", None])
    frame.to_file(tmp_path / "changes.gpkg")
    return tmp_path / "changes.gpkg"


@pytest.fixture
def deletes(tmp_path: Path) -> Path:
    (tmp_path / "gone.csv").write_text("adcode,name,reason\n510199,旧县,撤销\n510198,,\n", encoding="utf-8")
    return tmp_path / "gone.csv"


def test_changes_and_deletes_reach_the_node(config: Path, script: Script, changes: Path, deletes: Path) -> None:
    result = publish(
        config, "--changes", changes, "--deletes", deletes, "--source-date", "20251231", "--message", "年度", "--json"
    )
    assert result.exit_code == 0, result.stderr + result.stdout
    header = script.header
    assert header is not None
    assert (header.increment, header.source_date, header.new_series) == (True, "2025-12-31", False)
    sent = pa.Table.from_batches(script.published)
    assert sent["_op"].to_pylist() == ["insert", "U", None]
    assert sent["name__before"].to_pylist()[1:] == ["旧名", None]
    gone = pa.Table.from_batches(script.deleted)
    assert gone.to_pydict() == {"adcode": ["510199", "510198"], "name": ["旧县", None]}
    assert "changes.gpkg" in header.source
    assert "deletes: gone.csv" in header.source
    assert script.finished
    notices = [(fault["kind"], fault["field"], fault["part"]) for fault in found(result)["report"]["notices"]]
    assert ("NOTICE_DELETES_COLUMN", "reason", "deletes") in notices


def test_either_may_come_alone(config: Path, script: Script, changes: Path, deletes: Path) -> None:
    assert publish(config, "--deletes", deletes).exit_code == 0
    assert script.header is not None
    assert (script.header.arrow_schema, script.published) == (b"", [])
    script.deleted.clear()
    assert publish(config, "--changes", changes).exit_code == 0
    assert (script.header.deletes_schema, script.deleted) == (b"", [])


def test_another_column_may_say_what_a_row_is(config: Path, script: Script, tmp_path: Path) -> None:
    frame = geopandas.read_parquet(COUNTY).iloc[:2].drop(columns="bbox", errors="ignore")
    frame.assign(BGLX=["新增", "变更"], OLDNAME=["a", "b"]).to_file(tmp_path / "own.gpkg")
    result = publish(
        config, "--changes", tmp_path / "own.gpkg", "--op", "bglx", "--map", "OLDNAME=name__before", "--json"
    )
    assert result.exit_code == 0, result.stdout
    sent = pa.Table.from_batches(script.published)
    assert sent["_op"].to_pylist() == ["新增", "变更"]
    assert sent["name__before"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--from"),
        (["--from", "L", "--changes", "L"], "--from"),
        (["--from", "L", "--deletes", "L"], "--from"),
        (["--changes", "L", "--new-series"], "--from"),
        (["--deletes", "L", "--op", "x"], "--op"),
        (["--changes", "L", "--deletes-layer", "x"], "--deletes-layer"),
        (["--from", "L", "--source-date", "2025-02-30"], "2025-12-31"),
        (["--from", "L", "--source-date", "last year"], "2025-12-31"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    config: Path, script: Script, arguments: list[str], told: str
) -> None:
    result = publish(config, *(str(COUNTY) if word == "L" else word for word in arguments))
    assert result.exit_code == 2
    assert told in result.stderr
    assert script.header is None


def test_a_whole_layer_may_begin_a_new_series(config: Path, script: Script) -> None:
    assert publish(config, "--from", COUNTY, "--new-series").exit_code == 0
    assert script.header is not None
    assert (script.header.new_series, script.header.increment) == (True, False)


def test_faults_of_the_files_say_which(config: Path, script: Script, changes: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.gpkg").write_bytes(b"nothing")
    result = publish(config, "--changes", changes, "--deletes", tmp_path / "torn.gpkg", "--json")
    faults = found(result)["report"]["faults"]
    assert result.exit_code == 2
    assert [(fault["kind"], fault["part"]) for fault in faults] == [("UNREADABLE_FILE", "deletes")]
    script.header = None
    assert publish(config, "--deletes", tmp_path / "torn.gpkg").exit_code == 2
    assert script.header is None


@pytest.mark.parametrize("option", ["--deletes", "--from"])
def test_a_table_of_which_nothing_can_be_used_is_refused(
    config: Path, script: Script, tmp_path: Path, option: str
) -> None:
    (tmp_path / "odd.csv").write_text("OBJECTID\n1\n", encoding="utf-8")
    result = publish(config, option, tmp_path / "odd.csv", "--json")
    kinds = {fault["kind"] for fault in found(result)["report"]["faults"]}
    assert (result.exit_code, script.header) == (2, None)
    assert kinds == ({"MISSING_COLUMN"} if option == "--deletes" else {"GEOMETRY_MISSING"})


def test_the_change_is_told_in_hectares(config: Path, script: Script) -> None:
    script.change = CHANGE
    told = publish(config, "--from", COUNTY).stdout
    rows = [" ".join(line.split()) for line in told.splitlines()]
    assert "新增 inserts 2 2.50" in rows
    assert "变更 updates 3 100.00 → 123.46" in rows
    assert "删除 deletes 1 0.01" in rows
    assert "2 KiB" in told
    document = found(publish(config, "--from", COUNTY, "--json"))
    assert document["bytes"] == 2048
    assert document["change"] == change_document(CHANGE)
    assert (document["change"]["inserts"], document["change"]["inserted_ha"]) == (2, 2.5)
    assert document["change"]["updated_after_ha"] == 123.46
    assert document["change"]["deleted_m2"] == 50.0


def test_a_dry_run_shows_the_change(config: Path, script: Script, deletes: Path) -> None:
    script.change = Change(deletes=2, deleted_m2=1e6)
    told = publish(config, "--deletes", deletes, "--dry-run").stdout
    assert "删除 deletes" in told
    assert "未发布" in told
    script.change = Change()
    assert "nothing would change" in publish(config, "--from", COUNTY, "--dry-run").stdout


def test_rows_that_do_not_fit_are_all_told_and_end_with_2(config: Path, script: Script, deletes: Path) -> None:
    script.misfits = (
        misfit_row("delete_of_missing", "510199", "", None, None),
        misfit_row("before_differs", "510198", "name", "旧县", "新县"),
    )
    result = publish(config, "--deletes", deletes)
    assert result.exit_code == 2
    for word in ("DELETE_OF_MISSING", "510199", "BEFORE_DIFFERS", "旧县 ≠ 新县", "并不存在", "are not there"):
        assert word in result.stdout
    document = found(publish(config, "--deletes", deletes, "--json"))
    assert document["report"]["misfits"][1] == {
        "kind": "BEFORE_DIFFERS", "key": "510198", "field": "name", "stated": "旧县", "present": "新县",
    }  # fmt: skip
    assert (document["published"], document["error"]["reason"]) == (False, "IMPORT_REFUSED")


def test_a_lost_answer_of_an_increment_is_read_back(config: Path, script: Script, deletes: Path) -> None:
    script.drop_after_finish, script.head_write_id = True, "="
    result = publish(config, "--deletes", deletes, "--json")
    assert result.exit_code == 0
    assert (found(result)["published"], found(result)["head"]["version"]) == (True, 2)
