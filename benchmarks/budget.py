"""Budgets of the federation benchmark: the mesh against one engine."""

from __future__ import annotations

MOST_RATIO = 1.3
SHORT_MS = 20.0
"""A question that one engine answers faster than this has a budget of its own."""
MOST_EXTRA_MS = 30.0
"""What the mesh may add to a short question."""
MOST_AT_REST_MIB = 200.0
"""Resident memory of a node at rest."""


def within_budget(mesh_ms: float, engine_ms: float) -> bool:
    """Tell whether the mesh is fast enough: 1.3 times the engine, for short questions 30 ms on top of it."""
    if engine_ms < SHORT_MS:
        return mesh_ms - engine_ms <= MOST_EXTRA_MS
    return mesh_ms <= engine_ms * MOST_RATIO
