"""Publishing generated parcels into a mesh with the real command, and where the time goes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.commands import Command, run_commands
from demo.mesh import LocalMesh
from guotu.model.collection import Collection
from node.ingest.source import open_source
from registry.catalogue import national_catalogue_path, parse_catalogue

NODE_STAGES = ("validate", "digest", "layout", "write", "load", "commit")
"""What the node does, one stage after the other; reading goes on beside `validate`."""


@dataclass(frozen=True, slots=True)
class Published:
    """One publish."""

    rows: int
    seconds: Mapping[str, float]
    """By stage of the node, and "total": what the operator waited, but for the start of the program."""
    reading_s: float
    """Reading the same layer by itself, without sending it."""

    def times(self) -> dict[str, float]:
        """Return the seconds by stage: `read` by itself, the node's stages, `waiting` between them, `total`."""
        stages = {stage: self.seconds.get(stage, 0.0) for stage in NODE_STAGES}
        total = self.seconds["total"]
        return {"read": self.reading_s, **stages, "waiting": max(0.0, total - sum(stages.values())), "total": total}


def national_collection(name: str) -> Collection:
    """Return a collection of the national catalogue."""
    return next(item for item in parse_catalogue(national_catalogue_path()).collections if item.id == name)


def apply_catalogue(mesh: LocalMesh, node: str) -> None:
    """Put the national catalogue in force, through one node's configuration."""
    words = ("catalogue", "apply", str(national_catalogue_path()), "--yes", "--json")
    run_json(mesh, node, "catalogue", words)


def publish(mesh: LocalMesh, node: str, collection: Collection, source: Path) -> Published:
    """Publish a layer as `guotu publish` does.

    Raises:
        CommandFailed: the layer was refused, or the node failed.
    """
    words = ("publish", collection.id, "--from", str(source), "--json")
    document = run_json(mesh, node, f"publish-{source.name}", words)
    return Published(int(document["head"]["rows"]), document["seconds"], reading_seconds(source, collection))


def reading_seconds(source: Path, collection: Collection) -> float:
    """Return how long it takes to read a layer, ready for the node, in this process alone."""
    started = time.perf_counter()
    for _ in open_source(source, collection).batches():
        pass
    return time.perf_counter() - started


def rates(published: Sequence[Published]) -> dict[str, Any]:
    """Return rows, seconds and rows/s by stage over some publishes one after the other."""
    rows = sum(item.rows for item in published)
    seconds: dict[str, float] = {}
    for item in published:
        for stage, value in item.times().items():
            seconds[stage] = seconds.get(stage, 0.0) + value
    return {
        "rows": rows,
        "rows_per_s": round(rows / seconds["total"]),
        "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
        "rows_per_s_by_stage": {stage: round(rows / value) for stage, value in seconds.items() if value > 0},
    }


def run_json(mesh: LocalMesh, node: str, name: str, words: tuple[str, ...]) -> Any:
    """Run a command for a node's operator; returns its JSON.

    Raises:
        CommandFailed: it ended with an error.
    """
    command = Command(f"{node}-{name}", ("--config", str(mesh.config(node)), *words))
    (done,) = run_commands([command], mesh.root / "commands", mesh.guard)
    return done.document
