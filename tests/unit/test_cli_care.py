"""`guotu verify`, `pin`, `unpin`, `gc`: what reaches the node's socket, what is shown, how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from guotu.model.errors import UnknownDataset, UnknownVersion
from guotu.v1 import care_pb2
from node.cli.program import program
from tests.support.canned_care import SOUND, UNSOUND, CannedCare
from tests.support.canned_node import CannedNode, Script


@pytest.fixture
def service() -> CannedCare:
    return CannedCare()


@pytest.fixture
def node(service: CannedCare, config: Path) -> Iterator[CannedNode]:
    server = CannedNode(Script(), config.parent / "guotu-data" / "admin.sock", [service.add_to])
    yield server
    server.stop()


def operate(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(program, ["--config", str(config), *arguments])


@pytest.mark.usefixtures("node")
def test_a_sound_dataset_ends_well_in_both_languages(config: Path, service: CannedCare) -> None:
    result = operate(config, "verify", "510000/dltb")
    assert result.exit_code == 0, result.stderr
    assert "510000/dltb@3" in result.stdout
    assert "一致 everything is as it was signed" in result.stderr
    assert "核对记录 rows …" in result.stderr
    assert [(item.dataset, item.repair) for item in service.asked] == [("510000/dltb", False)]


@pytest.mark.usefixtures("node")
def test_a_difference_is_shown_and_ends_with_1(config: Path, service: CannedCare) -> None:
    service.result = UNSOUND
    result = operate(config, "verify", "510000/dltb")
    assert result.exit_code == 1
    for expected in ("51010401", "不符 changed", "51010402", "缺失 missing", "objects/sha256/ab/abab.parquet"):
        assert expected in result.stdout
    assert "--repair" in result.stderr
    result = operate(config, "verify", "510000/dltb", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["sound"], found["buckets"], found["differing"]) == (1, False, [7, 4000], 2)
    assert found["keys"][0] == {"key": "51010401", "how": "changed"}


@pytest.mark.usefixtures("node")
def test_what_was_repaired_ends_well_and_what_could_not_be_does_not(config: Path, service: CannedCare) -> None:
    service.result = care_pb2.VerifyResult(repaired=2, refetched_objects=1)
    service.result.MergeFrom(UNSOUND)
    service.result.digest = service.result.expected
    result = operate(config, "verify", "510000/dltb", "--repair")
    assert result.exit_code == 0
    assert "已全部修复 everything was put right" in result.stderr
    assert service.asked[-1].repair
    service.result.refetched_objects = 0
    result = operate(config, "verify", "510000/dltb", "--repair")
    assert (result.exit_code, "未能修复" in result.stderr) == (1, True)


@pytest.mark.usefixtures("node")
def test_lost_sums_alone_are_no_good_end(config: Path, service: CannedCare) -> None:
    service.result = care_pb2.VerifyResult(damaged_objects=["state of 510000/dltb@3"])
    service.result.MergeFrom(SOUND)
    assert operate(config, "verify", "510000/dltb").exit_code == 1


@pytest.mark.usefixtures("node")
def test_an_unknown_dataset_is_not_found(config: Path, service: CannedCare) -> None:
    service.error = UnknownDataset(dataset="510000/x")
    result = operate(config, "verify", "510000/x", "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["reason"]) == (5, "UNKNOWN_DATASET")


@pytest.mark.usefixtures("node")
def test_pins_reach_the_node(config: Path, service: CannedCare) -> None:
    result = operate(config, "pin", "510000/dltb@12", "--reason", "年度变更")
    assert (result.exit_code, "已保留 pinned" in result.stdout) == (0, True)
    request = service.asked[-1]
    assert (request.dataset, request.version, request.pinned, request.reason) == ("510000/dltb", 12, True, "年度变更")
    service.changed = False
    result = operate(config, "unpin", "510000/dltb@12", "--json")
    assert json.loads(result.stdout) == {"dataset": "510000/dltb", "version": 12, "pinned": False, "changed": False}
    assert not service.asked[-1].pinned
    service.error = UnknownVersion(dataset="510000/dltb", version=12)
    assert operate(config, "pin", "510000/dltb@12").exit_code == 5


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize("name", ["510000/dltb", "510000/dltb@", "@3", "510000/dltb@0", "510000/dltb@x", "a@-1"])
def test_what_is_no_version_is_not_sent(config: Path, service: CannedCare, name: str) -> None:
    assert operate(config, "pin", name).exit_code == 2
    assert service.asked == []


@pytest.mark.usefixtures("node")
def test_garbage_is_shown_first_and_collected_on_demand(config: Path, service: CannedCare) -> None:
    result = operate(config, "gc")
    assert (result.exit_code, service.asked[-1].dry_run) == (0, True)
    for expected in ("510000/dltb@1", "删除对象 objects removed", "3.0 MiB", "5 KiB"):
        assert expected in result.stdout
    assert "--yes" in result.stderr
    result = operate(config, "gc", "--yes", "--json")
    assert not service.asked[-1].dry_run
    assert json.loads(result.stdout) == {
        "dry_run": False, "versions": [{"dataset": "510000/dltb", "version": 1}], "tombstoned": 2,
        "tombstoned_bytes": 3 << 20, "swept": 4, "swept_bytes": 5 << 10, "waiting": 6,
    }  # fmt: skip


@pytest.mark.parametrize("arguments", [("verify", "510000/dltb"), ("pin", "510000/dltb@1"), ("gc",)])
def test_without_a_node_nothing_is_done(config: Path, arguments: tuple[str, ...]) -> None:
    result = operate(config, *arguments)
    assert (result.exit_code, "guotu node serve" in result.stderr) == (2, True)
