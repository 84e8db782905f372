"""The demonstration left running, and ended early: no process outlives it against its will."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from demo.commands import Command, CommandFailed, run_commands
from demo.guard import Guard
from demo.kept import birth
from demo.mesh import LocalMesh
from demo.node_process import guotu_command
from demo.owners import NODES
from tests.support.demo_sandbox import DEMO, Ran, Sandbox, new_sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with new_sandbox() as made:
        yield made


# --- left running


@pytest.fixture(scope="module")
def kept() -> Iterator[Ran]:
    """A mesh that was left running."""
    with new_sandbox() as sandbox:
        try:
            done = sandbox.run("--keep", "--report", "report.json")
            assert done.returncode == 0, done.stdout + done.stderr
            report = json.loads((sandbox.home / "report.json").read_text(encoding="utf-8"))
            yield Ran(sandbox, done.stdout, report)
        finally:
            sandbox.run("--stop")
        assert sandbox.processes() == []


def ask_again(ran: Ran, question: dict[str, Any]) -> Any:
    """Run a printed command where the output says, on the cut that it had, and return what it prints as JSON."""
    cut = ran.sandbox.home / "cut.json"
    cut.write_text(json.dumps({"cut": question["cut"]}), encoding="utf-8")
    line = next(line for line in ran.output.splitlines() if "export GUOTU_NODE=" in line)
    address = line.split("GUOTU_NODE=")[1].split()[0]
    words = [guotu_command(), *shlex.split(question["command"])[1:], "--cut", str(cut), "--json"]
    environment = {**ran.sandbox.environment, "GUOTU_NODE": address}
    done = subprocess.run(words, cwd=ran.sandbox.home, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["classes", "provinces", "named", "border", "largest", "division", "within"])
def test_printed_commands_ask_the_same(kept: Ran, name: str) -> None:
    question = kept.question(name)
    assert ask_again(kept, question)["digest"] == question["digest"]


def test_printed_explanation_asks_the_same(kept: Ran) -> None:
    question = kept.question("explain")
    assert ask_again(kept, question)["analysis"]["digest"] == question["digest"]


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
            if " publish county " in line:
                break
        if number is signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        process.stdout.read()
        assert process.wait(200) == code
    deadline = time.monotonic() + 60
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
    with pytest.raises(CommandFailed, match=r"guotu --config nowhere\.toml publish"), closing(Guard()) as guard:
        list(run_commands([Command("x", words)], tmp_path, guard))


def test_process_ids_are_told_apart_from_later_ones() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        assert birth(process.pid) == birth(process.pid) is not None
        assert birth(process.pid) != birth(os.getpid())
        process.kill()
    assert birth(process.pid) is None
