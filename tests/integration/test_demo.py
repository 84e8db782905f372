"""`python -m demo` as a newcomer runs it: what it finds, how it ends, and that its checks can fail."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import demo.__main__ as program
from demo.checks import Check, compare_sequences, compare_sets, compare_totals, compare_values, totals_of
from demo.commands import Command, CommandFailed, run_commands
from demo.guard import Guard
from demo.kept import birth
from demo.mesh import LocalMesh
from demo.node_process import guotu_command
from demo.owners import LAYERS, NODES, split
from demo.report import Report
from demo.screen import Screen
from demo.source_data import SourceData, Total

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "demo", "--no-color"]
CHECKS = {
    "datasets", "classes", "provinces", "sum", "border", "named", "division", "within", "largest", "partial",
    "marked", "refused", "elsewhere", "again",
}  # fmt: skip


@dataclass(frozen=True)
class Sandbox:
    """A folder that stands in for the system's temporary one; every process started with it can be told by it."""

    temp: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "TMPDIR": str(self.temp), "PYTHONPATH": str(ROOT)}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*DEMO, *words], cwd=self.home, env=self.environment, capture_output=True, text=True, timeout=500
        )

    def processes(self) -> list[str]:
        """Return the command lines of all processes that were started, directly or not, with this folder."""
        mark = f"TMPDIR={self.temp}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    def assert_clean(self) -> None:
        assert self.processes() == []
        assert list(self.temp.iterdir()) == []


def make_sandbox() -> Sandbox:
    # Short: sockets lie below it.
    folder = Path(tempfile.mkdtemp(prefix="gd-"))
    (folder / "tmp").mkdir()
    (folder / "home").mkdir()
    return Sandbox(folder / "tmp", folder / "home")


@pytest.fixture
def sandbox() -> Sandbox:
    return make_sandbox()


@dataclass(frozen=True)
class Ran:
    sandbox: Sandbox
    output: str
    report: dict[str, Any]

    def question(self, name: str) -> dict[str, Any]:
        return next(item for item in self.report["questions"] if item["name"] == name)


@pytest.fixture(scope="module")
def ran() -> Ran:
    """One run from beginning to end."""
    sandbox = make_sandbox()
    path = sandbox.home / "out" / "report.json"
    done = sandbox.run("--report", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    return Ran(sandbox, done.stdout, json.loads(path.read_text(encoding="utf-8")))


def test_leaves_nothing_behind(ran: Ran) -> None:
    ran.sandbox.assert_clean()


def test_every_node_and_dataset_is_reported(ran: Ran) -> None:
    assert {node["node"]: node["name"] for node in ran.report["nodes"]} == NODES
    rows: dict[str, int] = defaultdict(int)
    for dataset in ran.report["datasets"]:
        assert dataset["version"] == 1
        assert len(dataset["digest"]) > 0
        rows[dataset["collection"]] += dataset["rows"]
    assert rows == {layer.collection: pq.read_metadata(layer.path).num_rows for layer in LAYERS}
    owners = {dataset["node"] for dataset in ran.report["datasets"]}
    assert owners == set(NODES) - {"100000"}


def test_totals_are_those_of_the_file(ran: Ran) -> None:
    """Again, apart from the demo's own code: the answer in the report against the file."""
    columns = pq.read_table(LAYERS[1].path).select(["igbp", "area_m2"]).to_pydict()
    area: dict[int, Decimal] = defaultdict(Decimal)
    for igbp, square_metres in zip(columns["igbp"], columns["area_m2"], strict=True):
        area[igbp] += Decimal(str(square_metres))
    answer = ran.question("classes")["result"]
    assert {row["igbp"]: Decimal(row["sum_area_m2"]) for row in answer} == area
    assert sum(row["count"] for row in answer) == len(columns["igbp"])
    for square_metres in area.values():
        hectares = (square_metres / 10000).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert f" {hectares} " in ran.output


def test_answers_are_accounted_for(ran: Ran) -> None:
    for question in ran.report["questions"]:
        assert question["milliseconds"] > 0
        assert question["command"].startswith("guotu ")
        assert question["outcomes"], question["name"]
        if question["name"] in ("partial", "refused"):
            continue
        assert question["completeness"]["complete"], question["name"]
        assert len(question["digest"]) == 64
        assert question["cut"]
        assert question["error"] is None


def test_only_the_owners_are_asked(ran: Ran) -> None:
    outcomes = {item["dataset"]: (item["outcome"], item["reason"]) for item in ran.question("division")["outcomes"]}
    pruned = {dataset for dataset, (outcome, _) in outcomes.items() if outcome == "PRUNED"}
    assert pruned >= {"500000/county", "520000/county", "510700/county"}
    assert outcomes["510100/county"][0] == "ANSWERED"


def test_a_lost_node_is_marked_and_comes_back(ran: Ran) -> None:
    partial = ran.question("partial")
    missing = [item["dataset"] for item in partial["outcomes"] if item["outcome"] != "ANSWERED"]
    assert missing == ["510100/landcover"]
    assert not partial["completeness"]["complete"]
    assert 0.9 < partial["completeness"]["rows_share"] < 1
    assert 0.9 < partial["completeness"]["territory_share"] < 1
    refused = ran.question("refused")
    assert refused["error"]["reason"] == "INCOMPLETE_ANSWER"
    assert refused["result"] is None
    assert ran.question("again")["digest"] == ran.question("classes")["digest"] != partial["digest"]


def test_every_check_is_made_and_passes(ran: Ran) -> None:
    checks = {check["name"]: check for check in ran.report["checks"]}
    assert set(checks) == CHECKS
    assert all(check["passed"] and check["compared"] for check in checks.values())
    assert ran.report["passed"] is True


def test_screen_is_bilingual_and_shows_the_commands(ran: Ran) -> None:
    for question in ran.report["questions"]:
        assert question["title"] in ran.output
        assert f"$ {question['command']}" in ran.output
    for expected in ("节点 node", "不完整 PARTIAL", "跳过 PRUNE", "核对全部通过 all 14 checks passed"):
        assert expected in ran.output
    assert "\x1b[" not in ran.output


# --- left running


@pytest.fixture(scope="module")
def kept() -> Iterator[Ran]:
    """A mesh that was left running."""
    sandbox = make_sandbox()
    try:
        done = sandbox.run("--keep", "--report", "report.json")
        assert done.returncode == 0, done.stdout + done.stderr
        report = json.loads((sandbox.home / "report.json").read_text(encoding="utf-8"))
        yield Ran(sandbox, done.stdout, report)
    finally:
        sandbox.run("--stop")
    assert sandbox.processes() == []


def ask_again(ran: Ran, command: str) -> Any:
    """Run a printed command where the output says, and return what it prints as JSON."""
    line = next(line for line in ran.output.splitlines() if "export GUOTU_NODE=" in line)
    address = line.split("GUOTU_NODE=")[1].split()[0]
    words = [guotu_command(), *shlex.split(command)[1:], "--json"]
    environment = {**ran.sandbox.environment, "GUOTU_NODE": address}
    done = subprocess.run(words, cwd=ran.sandbox.home, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["classes", "provinces", "named", "border", "largest", "division", "within"])
def test_printed_commands_ask_the_same(kept: Ran, name: str) -> None:
    question = kept.question(name)
    assert ask_again(kept, question["command"])["digest"] == question["digest"]


def test_printed_explanation_asks_the_same(kept: Ran) -> None:
    question = kept.question("explain")
    assert ask_again(kept, question["command"])["analysis"]["digest"] == question["digest"]


def test_second_mesh_in_the_same_folder_is_refused(kept: Ran) -> None:
    before = set(kept.sandbox.processes())
    done = kept.sandbox.run("--keep")
    assert done.returncode == 1
    assert "已有演示网在运行 a demo mesh runs here already" in done.stdout
    assert set(kept.sandbox.processes()) == before


def test_stop_ends_it_and_removes_the_folder(kept: Ran) -> None:
    assert (kept.sandbox.home / ".demo").is_dir()
    assert len(kept.sandbox.processes()) == len(NODES) + 1
    done = kept.sandbox.run("--stop")
    assert done.returncode == 0
    assert "已停止 stopped" in done.stdout
    kept.sandbox.assert_clean()
    assert not (kept.sandbox.home / ".demo").exists()
    assert kept.sandbox.run("--stop").returncode == 0


# --- ended early


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_ends_clean_when_interrupted(sandbox: Sandbox, number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        DEMO, cwd=sandbox.home, env=sandbox.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if "guotu publish" in line or " publish county " in line:
                break
        if number is signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        process.stdout.read()
        assert process.wait(60) == code
    deadline = time.monotonic() + 10
    while sandbox.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sandbox.processes() == []
    if number is not signal.SIGKILL:  # nobody is left then who could remove the folder
        assert list(sandbox.temp.iterdir()) == []


def test_node_that_cannot_start_is_told_with_its_log(sandbox: Sandbox) -> None:
    with LocalMesh(sandbox.temp, ["510000"], {"registry.wait_s": 0.2}) as mesh:
        with pytest.raises(RuntimeError, match="510000 已退出 ended") as failure:
            mesh.start_node("510000")
        assert mesh.etcd.endpoint in str(failure.value)


def test_path_too_long_for_sockets_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the folder's path is too long"):
        LocalMesh(tmp_path / ("长" * 40), ["510000"])


def test_failing_command_is_told(tmp_path: Path) -> None:
    words = ("--config", "nowhere.toml", "publish", "county", "--from", "/")
    with pytest.raises(CommandFailed, match=r"guotu --config nowhere\.toml publish"):
        list(run_commands([Command("x", words)], tmp_path, Guard()))


def test_process_ids_are_told_apart_from_later_ones() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert birth(process.pid) == birth(process.pid) is not None
        assert birth(process.pid) != birth(os.getpid())
        process.kill()
    assert birth(process.pid) is None


# --- checks that fail


@pytest.fixture(scope="module")
def source() -> SourceData:
    return SourceData()


def answer_of(totals: dict[int, Total]) -> pa.Table:
    """Return an answer with these totals, as a node gives it."""
    return pa.table(
        {
            "igbp": list(totals),
            "count": [total.count for total in totals.values()],
            "sum_area_m2": pa.array([total.area_m2 for total in totals.values()], pa.decimal128(38, 1)),
        }
    )


def compare_classes(source: SourceData, altered: dict[int, Total]) -> Check:
    expected = source.totals(lambda patch: patch.igbp)
    return compare_totals("classes", "", expected, totals_of(answer_of(altered), "igbp"))


def test_totals_as_they_are_pass(source: SourceData) -> None:
    assert compare_classes(source, source.totals(lambda patch: patch.igbp)).passed


@pytest.mark.parametrize(("patches", "square_metres"), [(0, "100"), (0, "-100"), (1, "0"), (-1, "0")])
def test_smallest_difference_in_a_total_fails(source: SourceData, patches: int, square_metres: str) -> None:
    altered = source.totals(lambda patch: patch.igbp)
    altered[13] += Total(patches, Decimal(square_metres))
    check = compare_classes(source, altered)
    assert not check.passed
    assert len(check.differences) == 1
    assert check.differences[0].startswith("13: ")


def test_missing_and_unexpected_groups_fail(source: SourceData) -> None:
    altered = source.totals(lambda patch: patch.igbp)
    altered[99] = altered.pop(13)
    told = " ".join(compare_classes(source, altered).differences)
    assert "13: " in told
    assert "99: " in told


def test_tampered_copy_of_the_data_fails(source: SourceData, tmp_path: Path) -> None:
    """One patch of one owner's part is a hectare larger than in the file."""
    part = next(part for part in split(LAYERS[1], tmp_path) if part.node == "510700")
    table = pq.read_table(part.path)
    areas = table["area_m2"].to_pylist()
    areas[0] += 10_000.0
    pq.write_table(table.set_column(table.schema.get_field_index("area_m2"), "area_m2", pa.array(areas)), part.path)
    found = source.totals(lambda patch: patch.igbp, without="510700")
    read = pq.read_table(part.path).select(["igbp", "area_m2"]).to_pydict()
    for igbp, area in zip(read["igbp"], read["area_m2"], strict=True):
        found[igbp] = found[igbp] + Total(1, Decimal(repr(area)))
    check = compare_classes(source, found)
    assert [difference.split(":")[0] for difference in check.differences] == [str(read["igbp"][0])]


def test_row_sets_fail_on_any_difference() -> None:
    assert compare_sets("x", "", ["a", "b"], ["b", "a"]).passed
    assert compare_sets("x", "", ["a", "b"], ["a"]).differences == ("缺少 missing b",)
    assert compare_sets("x", "", ["a"], ["a", "b"]).differences == ("多余 not expected b",)
    assert not compare_sets("x", "", ["a"], ["a", "a"]).passed
    assert not compare_sets("x", "", [], []).passed
    assert compare_sequences("x", "", ["a", "b"], ["a", "b"]).passed
    assert not compare_sequences("x", "", ["a", "b"], ["b", "a"]).passed
    assert not compare_sequences("x", "", ["a", "b"], ["a"]).passed
    assert not compare_values("x", "", {"digest": "1"}, {"digest": "2"}).passed
    assert len(compare_sets("x", "", map(str, range(100)), []).differences) == 21


def test_failed_check_makes_the_exit_code_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
                                               source: SourceData, tmp_path: Path) -> None:  # fmt: skip
    altered = source.totals(lambda patch: patch.igbp)
    altered[13] = replace(altered[13], area_m2=altered[13].area_m2 + 100)
    failed = compare_classes(source, altered)

    def run_with_a_wrong_answer(report: Report, screen: Screen) -> None:
        report.checks = [failed]
        screen.checks(report.checks)

    monkeypatch.setattr(program, "run", run_with_a_wrong_answer)
    path = tmp_path / "report.json"
    assert program.main(["--no-color", "--report", str(path)]) == 1
    shown = capsys.readouterr().out
    assert failed.differences[0] in shown
    assert "未通过 checks failed" in shown
    assert json.loads(path.read_text(encoding="utf-8"))["passed"] is False
