"""Tables of a node's database in which it gives versions to others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MaterialStatus:
    """How one table stands."""

    dataset: str
    table: str
    """"schema.table"."""
    version: int = 0
    """The version that it shows."""
    head: int = 0
    """The newest version that the node has of the dataset; 0 if it has it no more."""
    lag_ms: int = 0
    """How long it has been behind, milliseconds; 0 if it is not."""
    state: str = "waiting"
    """waiting, applying, current, stuck or absent (the node does not have the dataset any more)."""
    rows: int = 0
    """Rows that it shows."""
    applied_ms: int = 0
    """When it came to show the version, milliseconds since 1970-01-01 UTC."""
    done_rows: int = 0
    """Rows done of the work under way."""
    total_rows: int = 0
    """Rows to do of the work under way; 0 if none is."""
    last_error: str = ""
    """Both languages; empty if none."""
    next_try_ms: int = 0
    """When the next try is due, milliseconds since 1970-01-01 UTC; 0 if none is."""

    @property
    def lag_versions(self) -> int:
        """Return how many versions it is behind."""
        return max(self.head - self.version, 0)


@dataclass(frozen=True, slots=True)
class Materialized:
    """What became of a table that was asked for."""

    status: MaterialStatus
    created: bool
    inserted: int
    updated: int
    deleted: int
