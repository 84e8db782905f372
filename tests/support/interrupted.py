"""Publishes that are begun, watched from outside, and cut off."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from pathlib import Path

from demo.node_process import guotu_command
from tests.support.plots import NODE, Desk


def entries(desk: Desk, pattern: str) -> set[tuple[str, int]]:
    """Return what matches below the owner's data directory, with the times of last change."""
    found = set()
    with suppress(FileNotFoundError):
        for path in desk.mesh.data_dir(NODE).glob(pattern):
            found.add((str(path), path.stat().st_mtime_ns))
    return found


MOMENTS = ("scratch/publish", "objects/objects/*/*/*.parquet", "objects/versions/*/*/*", "objects/heads/*/*")
"""What is new when a publish has come so far: rows inspected, objects stored, version taken, head moved.

All of it stays: of what a publish makes and removes again the folder's time of change is looked at, so that a publish
that ends between two looks is not missed.
"""


def wait_for(desk: Desk, moment: str, there: set[tuple[str, int]], waiting: subprocess.Popen[str]) -> None:
    """Return as soon as a publish has come to a moment, before which these entries were there."""
    while (seen := entries(desk, moment)) <= there and waiting.poll() is None:
        time.sleep(0.001)
    assert not seen | entries(desk, moment) <= there, f"the publish never came to {moment}"


def became(desk: Desk, waiting: subprocess.Popen[str], newest: int) -> bool:
    """Tell whether a publish that was cut off has made the version after the newest, as the command told in the end.

    Where the node was back so late that the command gave up asking, it says that it does not know; the node does.
    """
    told = waiting.communicate(timeout=120)[0]
    assert waiting.returncode in (0, 6), told
    made = desk.versions()[0] == newest + 1
    assert made or desk.versions()[0] == newest, told
    assert "it is not known whether" in told or made == (waiting.returncode == 0), told
    return made


def begin_publish(desk: Desk, path: Path) -> subprocess.Popen[str]:
    """Begin the command that publishes a file."""
    command = [
        guotu_command(),
        "--config",
        str(desk.mesh.config(NODE)),
        "publish",
        desk.collection,
        "--from",
        str(path),
    ]
    return subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
