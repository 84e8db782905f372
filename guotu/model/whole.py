"""Answers that are put together from several: what is said of the whole, so that its parts can be told to be all.

Nobody signs a whole. Who puts it together says first what it will be (`statement`), and marks each question that it
asks for it with the SHA-256 of that, a number and a count; the mark stands in the receipt of each part. So parts can be
told to be those of this whole, each there once and in its place (docs/reference/receipts.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from guotu.model.canonical import canonical_json
from guotu.model.question import Cut, PartOf
from guotu.model.shares import own_areas
from guotu.model.zones import Zones

FORMAT = "guotu-whole-1"
IN_ORDER = "in order"
"""The rows of the parts follow each other."""
ADDED_UP = "added up"
"""The groups of the parts, one a dataset, are added up and sorted."""


def statement(made: str, question: dict[str, Any], count: int, **more: Any) -> bytes:
    """Return what is said of a whole, as canonical JSON.

    Args:
        made: IN_ORDER or ADDED_UP.
        question: its document.
        count: of parts.
        more: what else is to be said: `datasets` that were added up, `zone_datasets` that zones were taken from, each
            with versions.
    """
    return canonical_json({"format": FORMAT, "made": made, "question": question, "count": count, **more})


def mark(said: bytes, number: int, count: int) -> PartOf:
    """Return the mark of one part of the whole of which that is said."""
    return PartOf(hashlib.sha256(said).hexdigest(), number, count)


def dataset_marks(said: bytes, datasets: Cut) -> dict[str, PartOf]:
    """Return the marks of the parts of a whole that is added up, by dataset."""
    return {name: mark(said, number, len(datasets)) for number, name in enumerate(sorted(datasets))}


def runs_document(runs: Iterable[Zones]) -> dict[str, Any]:
    """Return what is said of zones in runs: how many, and the SHA-256 over those of the runs."""
    count, whole = 0, hashlib.sha256()
    for run in runs:
        count += len(run)
        whole.update(hashlib.sha256(run.stream()).digest())
    return {"count": count, "sha256": whole.hexdigest()}


def large_document(zones: Zones) -> dict[str, Any]:
    """Return what is said of zones that are too large for a request: besides, names and ellipsoidal areas in m²."""
    return {
        "count": len(zones),
        "sha256": hashlib.sha256(zones.stream()).hexdigest(),
        "names": zones.names.to_pylist(),
        "area_m2": [str(area) for area in own_areas(zones).to_pylist()],
    }
