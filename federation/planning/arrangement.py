"""The datasets of one collection below one node, arranged by the child through which each is reached."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from federation.planning.candidates import Candidates
from federation.planning.prune import MAY_MATCH, OF_ANY_VERSION, REASONS
from federation.planning.topology import Topology, claims_of
from guotu.model.plan import ExpectedDataset
from guotu.model.question import Cut
from guotu.model.records import DatasetRecord


class Arrangement:
    """Made once for a directory, used for many questions; what it returns is shared between their plans."""

    def __init__(
        self, root: str, source: Mapping[str, DatasetRecord], topology: Topology, before: Arrangement | None = None
    ) -> None:
        """Arrange what is below `root`; what was made for records that are still the same is taken from `before`."""
        self.source = source
        self.topology = topology
        claims = claims_of(source.values(), topology.nodes)
        self.tree = Topology(topology.nodes, claims) if claims else topology
        """With what datasets tell of nodes that are not registered."""
        reached: dict[str, list[DatasetRecord]] = {}
        for record in sorted(source.values(), key=attrgetter("node")):
            child = self.tree.step(root, record.node)
            if child is not None:
                reached.setdefault(child, []).append(record)
        self._slices: dict[str, slice] = {}
        stop = 0
        for child in sorted(reached):
            start, stop = stop, stop + len(reached[child])
            self._slices[child] = slice(start, stop)
        self.candidates = Candidates([record for child in self._slices for record in reached[child]])
        self._index = {record.dataset: place for place, record in enumerate(self.candidates.records)}
        self._made: dict[tuple[str, int], tuple[DatasetRecord, ExpectedDataset]] = (
            {} if before is None else before._made
        )
        self._alike: dict[tuple[str, int], tuple[ExpectedDataset, ...]] = {}

    def members(self, verdicts: NDArray[np.int8], cut: Cut) -> dict[str, tuple[ExpectedDataset, ...]]:
        """Return what is expected through each child, by child and owner in ascending order.

        Args:
            verdicts: numbers of the reasons in REASONS, by candidate.
            cut: versions asked for.
        """
        pinned = self._pinned(verdicts, cut)
        return {child: self._expected(child, verdicts, pinned) for child in self._slices}

    def _pinned(self, verdicts: NDArray[np.int8], cut: Cut) -> Mapping[int, ExpectedDataset]:
        """Return the datasets that the cut asks for at another version than their head, by place."""
        records = self.candidates.records
        asked = ((self._index[dataset], version) for dataset, version in cut.items() if dataset in self._index)
        return {
            place: expect(records[place], REASONS[verdicts[place]], version)
            for place, version in asked
            if version != records[place].version
        }

    def _expected(
        self, child: str, verdicts: NDArray[np.int8], pinned: Mapping[int, ExpectedDataset]
    ) -> tuple[ExpectedDataset, ...]:
        places = self._slices[child]
        part = verdicts[places]
        alike = bool((part == part[0]).all())
        if not pinned and alike:
            return self._all_alike(child, int(part[0]))
        numbered = zip(range(places.start, places.stop), part.tolist(), strict=True)
        return tuple(pinned.get(place) or self._head(place, number) for place, number in numbered)

    def _all_alike(self, child: str, number: int) -> tuple[ExpectedDataset, ...]:
        key = (child, number)
        if key not in self._alike:
            places = self._slices[child]
            self._alike[key] = tuple(self._head(place, number) for place in range(places.start, places.stop))
        return self._alike[key]

    def _head(self, place: int, number: int) -> ExpectedDataset:
        record = self.candidates.records[place]
        key = (record.dataset, number)
        made = self._made.get(key)
        if made is None or made[0] is not record:
            made = self._made[key] = (record, expect(record, REASONS[number], record.version))
        return made[1]


def expect(record: DatasetRecord, reason: str, version: int) -> ExpectedDataset:
    """Return what is expected of a dataset at a version, given what was decided of its head."""
    if version != record.version and reason not in OF_ANY_VERSION:
        # What is advertised describes the head; another version may have lain elsewhere.
        reason = MAY_MATCH
    keep = reason == MAY_MATCH
    advertised = version <= record.version
    return ExpectedDataset(record.dataset, version, record.rows, record.territory_m2, keep, reason, advertised)
