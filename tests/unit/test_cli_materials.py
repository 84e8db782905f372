"""`guotu materialize`, `materialized`, `dematerialize`: what reaches the node's socket, what is shown, how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from guotu.model.errors import Conflict, NotFound, UnknownDataset
from node.cli.program import program
from tests.support.canned_materials import CURRENT, STUCK, CannedMaterials
from tests.support.canned_node import CannedNode, Script


@pytest.fixture
def service() -> CannedMaterials:
    return CannedMaterials()


@pytest.fixture
def node(service: CannedMaterials, config: Path) -> Iterator[CannedNode]:
    server = CannedNode(Script(), config.parent / "guotu-data" / "admin.sock", [service.add_to])
    yield server
    server.stop()


def operate(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(program, ["--config", str(config), *arguments], env={"COLUMNS": "250"})


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    ("created", "counts", "told"),
    [
        (True, (1000, 0, 0), ["已物化 materialized"]),
        (False, (0, 0, 0), ["无变化 nothing to change"]),
        (False, (1, 2, 3), ["已更新 brought up to date", "新增 inserted 1", "变更 updated 2", "删除 deleted 3"]),
    ],
)
def test_what_became_of_a_table_is_told(
    config: Path, service: CannedMaterials, created: bool, counts: tuple[int, int, int], told: list[str]
) -> None:
    service.created, service.counts = created, counts
    result = operate(config, "materialize", "510000/dltb", "--into", "gis.dltb", "--check")
    assert result.exit_code == 0, result.stderr
    assert all(word in result.stdout for word in [*told, "510000/dltb@12 → gis.dltb", "1,000"])
    assert all(word in result.stderr for word in ("写入记录 load …", "建索引 index …"))
    (request,) = service.asked
    assert (request.dataset, request.into, request.check) == ("510000/dltb", "gis.dltb", True)
    document = json.loads(operate(config, "materialize", "510000/dltb", "--into", "gis.dltb", "--json").stdout)
    assert document == {
        "status": {**asdict(CURRENT), "lag_versions": 0}, "created": created,
        "inserted": counts[0], "updated": counts[1], "deleted": counts[2],
    }  # fmt: skip


@pytest.mark.usefixtures("node")
def test_tables_are_listed(config: Path) -> None:
    result = operate(config, "materialized")
    assert result.exit_code == 0, result.stderr
    for expected in (
        "gis.dltb",
        "最新 current",
        "更新中 applying 25%",
        "2 版 versions, 2 h 3 min",
        "停滞 stuck",
        "视图 v 在用",
    ):
        assert expected in result.stdout
    found = json.loads(operate(config, "materialized", "--json").stdout)["materials"]
    assert [item["dataset"] for item in found] == ["500000/dltb", "510000/dltb", "520000/dltb"]
    assert found[2] == {**asdict(STUCK), "lag_versions": 1}


@pytest.mark.usefixtures("node")
def test_a_table_is_dropped(config: Path, service: CannedMaterials) -> None:
    result = operate(config, "dematerialize", "gis.dltb")
    assert (result.exit_code, "已删除 dropped  gis.dltb  510000/dltb@12" in result.stdout) == (0, True)
    assert service.asked[0].subject == "gis.dltb"
    assert json.loads(operate(config, "dematerialize", "x", "--json").stdout)["dropped"]["table"] == "gis.dltb"


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    ("error", "words", "code"),
    [
        (UnknownDataset(dataset="x/y"), ("materialize", "x/y", "--into", "a.b"), 5),
        (Conflict(detail="视图 view v"), ("dematerialize", "gis.dltb"), 8),
        (NotFound(detail="gis.x"), ("dematerialize", "gis.x"), 5),
    ],
)
def test_refusals_are_shown_and_end_as_they_must(
    config: Path, service: CannedMaterials, error: Exception, words: tuple[str, ...], code: int
) -> None:
    service.error = error  # type: ignore[assignment]
    result = operate(config, *words)
    assert result.exit_code == code
    assert str(error).splitlines()[0] in result.stderr.replace("\n", "")


@pytest.mark.usefixtures("node")
def test_a_table_must_be_named(config: Path, service: CannedMaterials) -> None:
    result = operate(config, "materialize", "510000/dltb")
    assert (result.exit_code, "--into" in result.stderr, service.asked) == (2, True, [])
