"""`make late`: the seams that it names are there, and become late in any process."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path("tests/late").resolve()
LOOK = "from registry.directory import EtcdDirectory as E; print(E(None, None)._options.batch)"


def run(late: str, code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LATE": late, "PYTHONPATH": str(FOLDER)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=200)


@pytest.fixture
def seams() -> Any:
    spec = importlib.util.spec_from_file_location("late", FOLDER / "sitecustomize.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_seams_are_those_of_the_code(seams: Any) -> None:
    for places in seams.SEAMS.values():
        for place, methods in places.items():
            module, _, name = place.partition(":")
            owner = getattr(importlib.import_module(module), name)
            assert vars(owner).keys() >= set(methods), place
    for module in seams.POLLS:
        assert importlib.import_module(module)


def test_a_seam_becomes_late_in_another_process() -> None:
    assert run("registry=7", LOOK).stdout == "7.0\n"
    assert run("", LOOK).stdout == "0.02\n"
    waited = "from node.membership import Membership as M; print(M.join.__qualname__)"
    assert "_late_method" in run("announce=0.1", waited).stdout


def test_an_unknown_seam_is_told() -> None:
    done = run("registry=1,weather=2", "print('begun')")
    assert done.returncode != 0
    assert "weather" in done.stderr
    assert done.stdout == ""
