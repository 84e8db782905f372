"""Which zones, and pieces of large ones, a member is asked about: those that meet what is advertised of its datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import shapely

from federation.planning.candidates import Candidates
from federation.planning.prune import grounds_of
from guotu.model.plan import Decision, PlanStep
from guotu.model.records import DatasetRecord
from guotu.model.zones import Zones


def with_zones(
    steps: Sequence[PlanStep], zones: Zones, pieces: shapely.STRtree, records: Mapping[str, DatasetRecord]
) -> tuple[PlanStep, ...]:
    """Return steps with the numbers of the pieces of zones that members are asked about.

    Args:
        steps: of a plan.
        zones: of the question.
        pieces: `zones.pieces` as a tree.
        records: what is advertised of datasets, by id.
    """
    return tuple(_with_zones(step, zones, pieces, records) if step.decision is Decision.ASK else step for step in steps)


def _with_zones(
    step: PlanStep, zones: Zones, pieces: shapely.STRtree, records: Mapping[str, DatasetRecord]
) -> PlanStep:
    advertised = [records.get(item.dataset) for item in step.expected if item.keep]
    heads = [record for record in advertised if record is not None and step.versions[record.dataset] == record.version]
    if len(heads) < len(advertised):
        return step  # what is advertised describes the head; another version may have lain elsewhere
    candidates = Candidates(heads)
    grounds = grounds_of(candidates, np.arange(len(heads)))
    if shapely.is_missing(grounds).any():
        return step
    met = np.unique(pieces.query(grounds, predicate="intersects")[1])
    if len(met) == len(pieces.geometries):
        return step
    concerned = len(np.unique(zones.pieces.owners[met]))
    clipped = "" if zones.pieces.whole else f", {len(met)} of {len(pieces.geometries)} pieces of them"
    detail = f"{step.detail}; {concerned} of {len(zones)} zones{clipped}"
    return replace(step, detail=detail, zones=tuple(met.tolist()))
