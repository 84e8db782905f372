"""The mesh and one engine asked the same questions in turns."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.agreement import require_same
from benchmarks.budget import within_budget
from benchmarks.processor import cpu_ms, own_cpu_ms
from benchmarks.questions import Variant, names
from benchmarks.single_engine import SingleEngine
from benchmarks.timing import Side, Timing, alternate
from guotu.client import Client

MESH, ENGINE = "mesh", "single_engine"


@dataclass(frozen=True, slots=True)
class Compared:
    """How both sides did at one variant."""

    variant: Variant
    rows: int
    mesh: Timing
    engine: Timing

    def document(self) -> dict[str, Any]:
        """Return rows, and of both sides the median and the best milliseconds and the mean processor time.

        The mesh's processor time is that of all its nodes and of the client.
        """
        return {
            "rows": self.rows,
            "mesh_ms": round(self.mesh.median_ms, 2),
            "single_engine_ms": round(self.engine.median_ms, 2),
            "mesh_best_ms": round(self.mesh.best_ms, 2),
            "single_engine_best_ms": round(self.engine.best_ms, 2),
            "mesh_cpu_ms": round(self.mesh.cpu_ms, 1),
            "single_engine_cpu_ms": round(self.engine.cpu_ms, 1),
        }


def compare(client: Client, nodes: Collection[int], engine: SingleEngine, variant: Variant, rounds: int) -> Compared:
    """Check that both sides give the same answer, then measure them in turns.

    `nodes` are the process ids of the mesh.

    Raises:
        Disagreement: they do not.
    """
    found, expected = variant.ask_mesh(client), variant.ask_engine(engine)
    rows = require_same(f"{variant.question}, {variant.name}", found, expected, variant.key)
    del found, expected
    mesh = Side(lambda: variant.ask_mesh(client), lambda: cpu_ms(nodes) + own_cpu_ms())
    times = alternate({MESH: mesh, ENGINE: Side(lambda: variant.ask_engine(engine), own_cpu_ms)}, rounds)
    return Compared(variant, rows, times[MESH], times[ENGINE])


def summary(results: Sequence[Compared]) -> dict[str, Any]:
    """Return by question: the ratio of medians, whether it is within its budget, milliseconds, and every variant.

    A question's milliseconds are the median over its variants of their medians over the rounds.
    """
    by_question = {
        name: [item for item in results if item.variant.question == name]
        for name in names([item.variant for item in results])
    }
    times = {name: _times(items) for name, items in by_question.items()}
    return {
        "ratio_to_single_engine": {name: round(mesh / engine, 3) for name, (mesh, engine) in times.items()},
        "within_budget": {name: within_budget(mesh, engine) for name, (mesh, engine) in times.items()},
        "milliseconds": {
            name: {MESH: round(mesh, 2), ENGINE: round(engine, 2), "extra": round(mesh - engine, 2)}
            for name, (mesh, engine) in times.items()
        },
        "variants": {
            name: {item.variant.name: item.document() for item in items} for name, items in by_question.items()
        },
    }


def _times(items: Sequence[Compared]) -> tuple[float, float]:
    mesh = statistics.median(item.mesh.median_ms for item in items)
    return mesh, statistics.median(item.engine.median_ms for item in items)
