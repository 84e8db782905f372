"""One run of the demonstration: in a folder that is gone afterwards, or in one that is kept."""

from __future__ import annotations

import tempfile
from pathlib import Path

from demo.kept import Kept
from demo.mesh import LocalMesh
from demo.owners import NODES
from demo.report import STEPS, Report
from demo.screen import Screen
from demo.story import Story

_OVERRIDES = {
    # Six nodes share this machine.
    "store.memory_limit_mib": 256,
    "store.threads": 1,
    # None shall leave the registry for having to wait for its turn.
    "registry.lease_ttl_s": 20,
}


def run(report: Report, screen: Screen) -> None:
    """Run it; folder and processes are gone afterwards, however it ended.

    Raises: as `Story.tell`.
    """
    with report.timed("total"), tempfile.TemporaryDirectory(prefix="guotu-") as folder:
        root = Path(folder)
        with LocalMesh(root, NODES, _OVERRIDES) as mesh:
            Story(mesh, root / "work", screen, report).tell()
            screen.heading(STEPS["end"])
            with report.timed("end"):
                mesh.close()


def run_and_keep(report: Report, screen: Screen, kept: Kept) -> LocalMesh:
    """Run it and leave its mesh running; nothing is left if it did not reach its end.

    Raises:
        AlreadyKept: one runs already; otherwise as `Story.tell`.
    """
    with kept.claim():
        try:
            with report.timed("total"), LocalMesh(kept.folder, NODES, _OVERRIDES) as mesh:
                Story(mesh, kept.folder / "work", screen, report).tell()
                kept.record(mesh.pids())
                mesh.release()
        except BaseException:
            kept.discard()
            raise
        return mesh
