"""The command as a process: quick to start, clean when interrupted, quiet when nobody reads on."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from guotu.model.answer import Batch, Frame
from node.cli.program import program
from tests.support.canned_node import CannedNode, Script
from tests.support.cli_answers import ROWS, row_frames

GUOTU = [sys.executable, "-c", "from node.cli import main; main()"]
ROOT = Path(__file__).parents[2]


def endless_frames() -> Iterator[Frame]:
    yield next(row_frames())
    for _ in itertools.count():
        time.sleep(0.001)
        yield Batch("510100/landcover", ROWS)


@pytest.fixture
def endless_node() -> Iterator[CannedNode]:
    server = CannedNode(Script(endless_frames()))
    yield server
    server.stop()


def start(node: CannedNode, *arguments: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
    command = [*GUOTU, "--node", node.address, *arguments]
    return subprocess.Popen(
        command, cwd=cwd, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_help_imports_nothing_heavy() -> None:
    script = """
import sys
from click.testing import CliRunner
from node.cli.program import program
assert CliRunner().invoke(program, ["--help"]).exit_code == 0
print(sorted({name.split(".")[0] for name in sys.modules} & {"pyarrow", "numpy", "grpc", "rich", "duckdb", "shapely"}))
"""
    out = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


def every_command(command: click.Command = program, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        for name, part in command.commands.items():
            yield from every_command(part, (*path, name))


def test_every_command_has_help_with_an_example() -> None:
    for command in every_command():
        result = CliRunner().invoke(program, [*command, "--help"])
        assert result.exit_code == 0
        assert " ".join(["guotu", *command]) in result.stdout.partition("examples:")[2], command


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("name", ["out.gpkg", "out.parquet", "out.csv"])
def test_an_interrupted_query_ends_clean(
    endless_node: CannedNode, tmp_path: Path, number: signal.Signals, code: int, name: str
) -> None:
    process = start(endless_node, "query", "landcover", "-o", str(tmp_path / name))
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob(name)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["csv", "geojsonseq", "geojson"])
def test_a_reader_that_has_enough_is_no_error(endless_node: CannedNode, form: str) -> None:
    process = start(endless_node, "query", "landcover", "--format", form)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(timeout=120) == 141


def test_a_table_that_nobody_reads_is_no_error() -> None:
    node = CannedNode(Script(row_frames()))
    process = start(node, "query", "landcover")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(timeout=120) == 141
    node.stop()


def test_a_reader_of_json_that_has_enough_is_no_error(endless_node: CannedNode) -> None:
    process = start(endless_node, "query", "landcover", "--json")
    assert process.stdout is not None
    assert process.stdout.readline() == '{"rows": [\n'
    assert json.loads(process.stdout.readline().rstrip(",\n"))["bsm"] == "0101"
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(timeout=120) == 141
