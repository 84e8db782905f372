"""A benchmark, run from end to end as people run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def run_benchmark(name: str, folder: Path, *options: str) -> dict[str, Any]:
    """Run one benchmark in a process of its own, and return what it wrote."""
    out = folder / f"{name}.json"
    command = [sys.executable, "-m", "benchmarks", name, "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=550, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    assert "guotu benchmark" in done.stdout
    return dict(json.loads(out.read_text(encoding="utf-8")))
