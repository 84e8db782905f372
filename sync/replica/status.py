"""Replica status: how a replica stands, for operators."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """One replica; fields as in guotu.v1.ReplicaStatus."""

    dataset: str
    subscription: str
    """Subject of the subscription that it belongs to."""
    version: int
    """Version that it can answer from; 0 for none yet."""
    head: int
    """The owner's head, as last known."""
    lag_ms: int
    """How long the replica has been behind; 0 if it is not."""
    state: str
    """One of the values of `sync.replica.machine.Phase`."""
    done_bytes: int
    """Fetched of what is under way."""
    total_bytes: int
    last_error: str
    """Both languages, one a line; empty if none."""
    next_try_ms: int
    """When the next try is due, milliseconds since 1970-01-01 UTC; 0 if none is."""
    area_name: str
    """Empty for everything."""
    rows: int
    quarantined: tuple[str, ...]
    """Peers that served bad bytes and are not asked at the moment."""
