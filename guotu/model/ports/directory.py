"""The ports to what the registry tells: who is out there, and which collections there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from guotu.model.collection import Collection
from guotu.model.records import DatasetRecord, NodeRecord, ReplicaRecord


@dataclass(frozen=True, slots=True)
class DirectoryView:
    """One consistent look at the directory; immutable."""

    nodes: Mapping[str, NodeRecord]
    """Nodes with a live lease, by id."""
    datasets: Mapping[str, Mapping[str, DatasetRecord]]
    """By collection id, then by dataset id."""
    replicas: Mapping[str, Mapping[str, ReplicaRecord]]
    """Replicas of nodes with a live lease, by dataset id, then by node id."""
    stale: bool
    """True if the registry is out of reach: this is the last good directory."""
    as_of_ms: int
    """When it last agreed with the registry, milliseconds since 1970-01-01 UTC."""


class Directory(Protocol):
    """Who is out there."""

    def view(self) -> DirectoryView:
        """Return the present view; cheap, never blocks."""


class Catalogue(Protocol):
    """The collections of the mesh."""

    def get(self, collection: str) -> Collection | None:
        """Return a collection; None if there is none."""

    def all(self) -> Sequence[Collection]:
        """Return all, sorted by id."""
