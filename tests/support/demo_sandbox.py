"""The demonstration run as a program, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "demo", "--no-color"]


@dataclass(frozen=True)
class Sandbox:
    """A folder that stands in for the system's temporary one; every process started with it can be told by it."""

    temp: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        return {**os.environ, "TMPDIR": str(self.temp), "PYTHONPATH": path}

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


@contextmanager
def new_sandbox() -> Iterator[Sandbox]:
    """A sandbox that is gone afterwards."""
    # Short: sockets lie below it.
    with tempfile.TemporaryDirectory(prefix="gd-") as folder:
        made = Sandbox(Path(folder) / "tmp", Path(folder) / "home")
        made.temp.mkdir()
        made.home.mkdir()
        yield made


@dataclass(frozen=True)
class Ran:
    sandbox: Sandbox
    output: str
    report: dict[str, Any]

    def question(self, name: str) -> dict[str, Any]:
        return next(item for item in self.report["questions"] if item["name"] == name)
