"""Events: what a replica is told; each carries the time at which it came."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Restored:
    """What was found at start."""

    now_ms: int
    version: int
    """The replica's head; 0 for none."""
    manifest: str
    sound: bool
    """True if rows of that version, of the area wanted, are readable."""


@dataclass(frozen=True, slots=True)
class HeadSeen:
    """The directory shows a head of the owner's."""

    now_ms: int
    version: int
    manifest: str
    published_ms: int


@dataclass(frozen=True, slots=True)
class PlanReady:
    """It is known how to reach the head that was planned for."""

    now_ms: int
    versions: tuple[int, ...]
    """To be applied, ascending."""
    total_bytes: int
    """To be fetched."""


@dataclass(frozen=True, slots=True)
class FetchProgress:
    """Bytes came."""

    now_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class FetchDone:
    """The objects of the next version are here."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class PeerBad:
    """A peer served bad bytes; others go on."""

    now_ms: int
    peer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Staged:
    """The next version is staged, out of sight."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class Proven:
    """The next version's digest is its manifest's, and the store can answer from it."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class Switched:
    """The head stands at the next version, or further."""

    now_ms: int
    version: int
    manifest: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The work under way failed."""

    now_ms: int
    reason: str
    permanent: bool
    """True if the same attempt cannot end otherwise."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went by."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class WindowOpened:
    """Bytes may be fetched from now on."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class WindowClosed:
    """Bytes may not be fetched for now."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class AreaChanged:
    """Another area is wanted than the rows here are of."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The replica is not wanted any more."""

    now_ms: int


Event = (
    Restored | HeadSeen | PlanReady | FetchProgress | FetchDone | PeerBad | Staged | Proven | Switched | Failed
    | Tick | WindowOpened | WindowClosed | AreaChanged | Unsubscribed
)  # fmt: skip
