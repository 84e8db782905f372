"""Whose a feature is, where datasets overlap: that of the dataset of the division which its division field names.

A province's dataset may hold features of a city that has a dataset of its own. A feature that both hold, by its key,
counts for the city alone; one that only the province holds counts there. Where a feature lies does not matter: what
crosses the border of a division counts whole for the dataset that holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import Collection
from guotu.model.division import contains, node_division, prefix_of, split_dataset
from guotu.model.question import Cut


def division_of(dataset: str) -> str:
    """Return the division of a dataset's owner."""
    return node_division(split_dataset(dataset)[0])


def left_to(cut: Cut) -> Cut:
    """Return those of some datasets whose division lies below that of another one: who holds their features, too."""
    prefixes = {prefix_of(division_of(dataset)) for dataset in cut}
    return {dataset: version for dataset, version in sorted(cut.items()) if _outer(division_of(dataset)) & prefixes}


def _outer(division: str) -> set[str]:
    """Return the prefixes of all divisions above one."""
    prefix = prefix_of(division)
    return {prefix[:length] for length in range(0, len(prefix), 2)}


class Ownership:
    """Which features of one dataset count for others that hold them, too."""

    def __init__(self, dataset: str, collection: Collection, others: Iterable[str]) -> None:
        """Take the dataset, its collection, and datasets of the question that may hold features of it."""
        self._field, self._key = collection.division_field, collection.key
        mine = division_of(dataset)
        below = [other for other in others if division_of(other) != mine and contains(mine, division_of(other))]
        self._prefixes = {other: prefix_of(division_of(other)) for other in sorted(below)} if self._field else {}

    def columns(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return columns to read, with those that tell whose a feature is if that matters; each once."""
        return tuple(dict.fromkeys((*names, *((self._field, self._key) if self._prefixes else ()))))

    def claimants(self, batch: pa.RecordBatch) -> tuple[str, ...]:
        """Return the datasets of whose divisions there are features, by their codes."""
        if not self._prefixes:
            return ()
        codes = set(pc.unique(pc.utf8_slice_codeunits(batch.column(self._field), 0, 6)).drop_null().to_pylist())
        return tuple(
            other for other, prefix in self._prefixes.items() if any(code.startswith(prefix) for code in codes)
        )

    def own(self, batch: pa.RecordBatch, held: Mapping[str, pa.Array]) -> pa.RecordBatch:
        """Return the features that count here; `held` has the keys that claimants hold, by dataset."""
        for other in self.claimants(batch):
            theirs = pc.starts_with(batch.column(self._field), self._prefixes[other])
            twice = pc.and_kleene(theirs, pc.is_in(batch.column(self._key), held[other]))
            batch = batch.filter(pc.invert(pc.fill_null(twice, False)))
        return batch
