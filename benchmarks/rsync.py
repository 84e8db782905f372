"""The peer that many provinces use today: rsync of a GeoParquet file, with its delta algorithm."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_SENT = re.compile(r"Total bytes sent: ([\d,]+)")


@dataclass(frozen=True)
class Synced:
    """One run of rsync."""

    seconds: float
    bytes_sent: int


def rsync(source: Path, target: Path) -> Synced:
    """Bring `target` up to date with `source`, as over a network: blocks that are there already are not sent.

    Raises:
        RuntimeError: rsync is not installed, or failed.
    """
    program = shutil.which("rsync")
    if program is None:
        raise RuntimeError("缺 rsync rsync is missing: apt-get install rsync")
    started = time.perf_counter()
    words = [program, "--no-whole-file", "--inplace", "--times", "--stats", "--compress", str(source), str(target)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = _SENT.search(done.stdout)
    if done.returncode or found is None:
        raise RuntimeError(f"rsync failed: {done.stderr.strip()}")
    return Synced(time.perf_counter() - started, int(found[1].replace(",", "")))
