"""Instructions: what a replica wants done, one after the other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stop:
    """End the work under way; nothing more is to be heard of it."""


@dataclass(frozen=True, slots=True)
class PlanVersions:
    """Find out how to reach a head; ends with PlanReady or Failed."""

    version: int
    manifest: str


@dataclass(frozen=True, slots=True)
class FetchObjects:
    """Fetch what a version of the plan needs; ends with FetchDone or Failed."""

    version: int


@dataclass(frozen=True, slots=True)
class ApplyVersion:
    """Stage and prove a version of the plan; tells Staged, ends with Proven or Failed."""

    version: int


@dataclass(frozen=True, slots=True)
class MoveHead:
    """Move the head forward to a version of the plan; ends with Switched or Failed."""

    version: int


@dataclass(frozen=True, slots=True)
class Advertise:
    """Tell the mesh that this version can be asked for here."""

    version: int


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Send a Tick at this time, milliseconds since 1970-01-01 UTC."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove the replica."""


Instruction = Stop | PlanVersions | FetchObjects | ApplyVersion | MoveHead | Advertise | WaitUntil | Drop
