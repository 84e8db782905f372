"""Answers: frames of a stream, outcomes of members, completeness."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa

from guotu.model.plan import Plan
from guotu.model.question import CompletenessMode, Cut


class Outcome(StrEnum):
    """What became of one member in one question."""

    ANSWERED = "ANSWERED"
    REPLICA = "REPLICA"
    PRUNED = "PRUNED"
    REFUSED = "REFUSED"
    TIMED_OUT = "TIMED_OUT"
    UNREACHABLE = "UNREACHABLE"
    FAILED = "FAILED"
    STALE_REGISTRY = "STALE_REGISTRY"

    @property
    def whole(self) -> bool:
        """Tell whether the member's part is in the answer in full (or rightly empty)."""
        return self in (Outcome.ANSWERED, Outcome.REPLICA, Outcome.PRUNED)


@dataclass(frozen=True, slots=True)
class MemberOutcome:
    """One member's part in one question; see MemberOutcome in proto/guotu/v1/common.proto for units."""

    node: str
    dataset: str
    outcome: Outcome
    reason: str = ""
    detail: str = ""
    version: int = 0
    rows: int = 0
    size_bytes: int = 0
    elapsed_ms: float = 0.0
    advertised_rows: int = 0
    advertised_territory_m2: float = 0.0
    replica: str = ""
    truncated: bool = False
    via: str = ""


@dataclass(frozen=True, slots=True)
class Completeness:
    """The outcomes of all members expected, sorted by dataset, and what they stand for."""

    mode: CompletenessMode
    members: tuple[MemberOutcome, ...]
    stale_registry: bool = False
    directory_as_of_ms: int = 0

    @property
    def complete(self) -> bool:
        """Tell whether every expected member's part is in the answer."""
        return all(member.outcome.whole for member in self.members)

    @property
    def missing(self) -> tuple[MemberOutcome, ...]:
        """Return the members whose part is missing or cut short."""
        return tuple(member for member in self.members if not member.outcome.whole)

    @property
    def rows_share(self) -> float:
        """Share of the advertised rows of members not pruned that is in the answer, 0 to 1."""
        return _share((member.outcome, float(member.advertised_rows)) for member in self.members)

    @property
    def territory_share(self) -> float:
        """Share of the advertised territory of members not pruned that is in the answer, 0 to 1."""
        return _share((member.outcome, member.advertised_territory_m2) for member in self.members)

    def missing_sentence(self) -> str:
        """Name who is missing and why, for messages: "510100/dltb UNREACHABLE (NOT_REGISTERED)"."""
        names = [f"{item.dataset} {item.outcome} ({item.reason or '-'})" for item in self.missing]
        more = f" … +{len(names) - 8}" if len(names) > 8 else ""
        return ", ".join(names[:8]) + more


def _share(parts: Iterable[tuple[Outcome, float]]) -> float:
    """Weight of whole members over the weight of all members that were not pruned; 1.0 if there is none."""
    asked = [(outcome, weight) for outcome, weight in parts if outcome is not Outcome.PRUNED]
    total = sum(weight for _, weight in asked)
    if total <= 0:
        return 1.0 if all(outcome.whole for outcome, _ in asked) else 0.0
    return sum(weight for outcome, weight in asked if outcome.whole) / total


@dataclass(frozen=True, slots=True)
class Segment:
    """One run of rows with one origin; dataset is empty and version 0 if merged from several."""

    dataset: str
    version: int
    rows: int
    digest: bytes
    """Canonical digest of the rows, 32 bytes (guotu.model.digest)."""


@dataclass(frozen=True, slots=True)
class Header:
    """First frame of an answer."""

    request_id: str
    node: str
    plan: Plan
    cut: Cut
    schema: pa.Schema


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows; dataset is empty if merged from several."""

    dataset: str
    rows: pa.RecordBatch
    encoded: bytes = b""
    """The Arrow IPC message that it came as, so that a relay need not encode it again; empty if made here."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the caller should know; `reason` is stable, for example STALE_REGISTRY."""

    reason: str
    message: str
    node: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A node's signed word on an answer that it gave (guotu.model.receipt)."""

    statement: bytes
    """Canonical JSON."""
    signature: bytes
    """Ed25519, 64 bytes, over the statement."""


@dataclass(frozen=True, slots=True)
class SignedPart:
    """One part of an answer that was put together from several."""

    signed: Receipt | Whole
    """Of the part's answer; a whole where that was put together, too."""
    groups: bytes = b""
    """Its rows, an Arrow IPC stream; empty where the rows of the whole tell them, or all together are too large."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What stands in a receipt's place where an answer was put together from several (guotu.model.whole)."""

    statement: bytes
    """Canonical JSON: the question, and how the whole is made of its parts. Each of them is marked with its SHA-256."""
    parts: tuple[SignedPart | None, ...]
    """In order; None for one that is missing."""


@dataclass(frozen=True, slots=True)
class Trailer:
    """Last frame of an answer."""

    completeness: Completeness
    rows: int
    size_bytes: int
    digest: bytes
    segments: tuple[Segment, ...] = field(default=())
    elapsed_ms: float = 0.0
    next_page: str = ""
    """Token of the next page; empty if there is none."""
    receipt: Receipt | None = None
    """None if none was asked for, or the answer was put together."""
    whole: Whole | None = None
    """What it was put together from; only at who did so."""
    plan: Plan | None = None
    """The plan with what became of each step, at every level; only if analysed."""
    queued_ms: float = 0.0
    """How long the question waited for its turn; only if analysed."""
    store_ms: float = 0.0
    """What the store took; known only where the rows lie here, and told as the step's attempt."""


Frame = Header | Batch | Notice | Trailer
