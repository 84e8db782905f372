"""Which zones a member is asked about: those that meet what is advertised of its datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import shapely

from federation.planning.candidates import Candidates
from federation.planning.prune import grounds_of
from guotu.model.plan import Decision, PlanStep
from guotu.model.records import DatasetRecord


def with_zones(
    steps: Sequence[PlanStep], zones: shapely.STRtree, records: Mapping[str, DatasetRecord]
) -> tuple[PlanStep, ...]:
    """Return steps with the numbers of the zones that members are asked about.

    Args:
        steps: of a plan.
        zones: polygons, EPSG:4490, lon/lat.
        records: what is advertised of datasets, by id.
    """
    return tuple(_with_zones(step, zones, records) if step.decision is Decision.ASK else step for step in steps)


def _with_zones(step: PlanStep, zones: shapely.STRtree, records: Mapping[str, DatasetRecord]) -> PlanStep:
    advertised = [records.get(item.dataset) for item in step.expected if item.keep]
    heads = [record for record in advertised if record is not None and step.versions[record.dataset] == record.version]
    if len(heads) < len(advertised):
        return step  # what is advertised describes the head; another version may have lain elsewhere
    candidates = Candidates(heads)
    grounds = grounds_of(candidates, np.arange(len(heads)))
    if shapely.is_missing(grounds).any():
        return step
    met = np.unique(zones.query(grounds, predicate="intersects")[1])
    if len(met) == len(zones.geometries):
        return step
    detail = f"{step.detail}; {len(met)} of {len(zones.geometries)} zones"
    return replace(step, detail=detail, zones=tuple(met.tolist()))
