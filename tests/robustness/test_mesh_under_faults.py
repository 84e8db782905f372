"""One short run of the whole mesh under faults; see docs/reference/robustness.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SEED = 1
SECONDS = 60
_MOST_S = 1500.0
"""All that the run waits for at most comes to less; it takes two minutes."""


@pytest.mark.timeout(_MOST_S + 60)
def test_no_law_is_broken_in_a_short_run(tmp_path: Path) -> None:
    words = ["--seed", str(SEED), "--seconds", str(SECONDS), "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.robustness", *words], capture_output=True, text=True, timeout=_MOST_S
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-4000:]}"
