"""Which zones, and pieces of large ones, a member is asked about: those that meet what it advertises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from federation.planning.candidates import Candidates
from federation.planning.prune import grounds_of
from guotu.model.plan import Decision, PlanStep
from guotu.model.question import Cut
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
    grounds = _grounds(step.cut, records)
    if grounds is None:
        return step
    met = np.unique(pieces.query(grounds, predicate="intersects")[1])
    if len(met) == len(pieces.geometries):
        return step
    concerned = len(np.unique(zones.pieces.owners[met]))
    clipped = "" if zones.pieces.whole else f", {len(met)} of {len(pieces.geometries)} pieces of them"
    detail = f"{step.detail}; {concerned} of {len(zones)} zones{clipped}"
    return replace(step, detail=detail, zones=tuple(met.tolist()))


def advertised_grounds(cut: Cut, records: Mapping[str, DatasetRecord]) -> shapely.STRtree | None:
    """Return polygons that cover all features of some datasets; None if that is not known of one of them.

    Args:
        cut: the datasets, with versions.
        records: what is advertised of datasets, by id.
    """
    grounds = _grounds(cut, records)
    return None if grounds is None else shapely.STRtree(grounds)


def _grounds(cut: Cut, records: Mapping[str, DatasetRecord]) -> NDArray[np.object_] | None:
    advertised = [records.get(dataset) for dataset in cut]
    heads = [record for record in advertised if record is not None and cut[record.dataset] == record.version]
    if len(heads) < len(advertised):
        return None  # what is advertised describes the head; another version may have lain elsewhere
    grounds = grounds_of(Candidates(heads), np.arange(len(heads)))
    return None if shapely.is_missing(grounds).any() else grounds
