"""Plans: how one node will answer one question, as a printable value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from guotu.model.question import Cut, Scope


class Decision(StrEnum):
    """What a plan does with one member."""

    LOCAL = "LOCAL"
    ASK = "ASK"
    PRUNE = "PRUNE"
    MISSING = "MISSING"


@dataclass(frozen=True, slots=True)
class ExpectedDataset:
    """A dataset that the question is about, as the directory advertises it."""

    dataset: str
    version: int
    rows: int
    territory_m2: float
    keep: bool
    """False if pruned."""
    reason: str
    """MAY_MATCH, FILTER_IS_FALSE, EMPTY, OUTSIDE_DIVISION, OUTSIDE_WINDOW, OUTSIDE_COVERAGE, OUTSIDE_ZONES."""


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One member, and the datasets expected through it."""

    node: str
    decision: Decision
    reason: str
    detail: str = ""
    address: str = ""
    scope: Scope = Scope.SELF
    """Scope that the member is asked with."""
    expected: tuple[ExpectedDataset, ...] = ()
    plan: Plan | None = None
    """The member's own plan; only in explanations."""
    zones: tuple[int, ...] | None = None
    """Numbers, from 0 on, of the zones that the member is asked about; None for all, or if there are none."""

    @property
    def cut(self) -> Cut:
        """Versions that the member shall answer from."""
        return {item.dataset: item.version for item in self.expected if item.keep}

    @property
    def versions(self) -> Cut:
        """Versions of all datasets expected through the member, those pruned included."""
        return {item.dataset: item.version for item in self.expected}

    @property
    def advertised_rows(self) -> int:
        """Rows that the registry advertises for the datasets kept."""
        return sum(item.rows for item in self.expected if item.keep)


@dataclass(frozen=True, slots=True)
class Plan:
    """How one node answers one question; steps are in the order their rows are merged."""

    node: str
    collection: str
    scope: Scope
    steps: tuple[PlanStep, ...]
    pushed_down: tuple[str, ...] = ()
    merge: str = ""
    stale_registry: bool = False
    directory_as_of_ms: int = 0
    planning_ms: float = 0.0

    @property
    def cut(self) -> dict[str, int]:
        """Versions that the answer will be computed from; those pruned too, as they were looked at to prune them."""
        return {name: version for step in self.steps for name, version in step.versions.items()}
