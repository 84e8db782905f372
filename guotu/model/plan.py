"""Plans: how one node will answer one question, as a printable value."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from guotu.model.attempt import Attempt
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
    """MAY_MATCH, FILTER_IS_FALSE, EMPTY, OUTSIDE_DIVISION, OUTSIDE_WINDOW, OUTSIDE_COVERAGE, OUTSIDE_ZONES,
    TOO_FAR, BEFORE_PAGE."""
    advertised: bool = True
    """False if the version is beyond the one advertised: whether there is such a version its owner alone can tell."""


@dataclass(frozen=True, slots=True)
class Standby:
    """A node that holds a dataset, whole and at the pinned version, and may answer in its owner's place."""

    dataset: str
    node: str
    address: str
    """Empty if it is the planning node itself."""


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
    """The plan of the member, or of who answered for it; only in explanations."""
    zones: tuple[int, ...] | None = None
    """Numbers, from 0 on, of the pieces of zones that the member is asked about; None for all, or if there are none."""
    standbys: tuple[Standby, ...] = ()
    """Who may answer for datasets that are kept, should the member not; by dataset, the first choice first."""
    draining: bool = False
    """The member is being drained: standbys that cover its part are asked first."""
    bypass: bool = False
    """True if, should the member not answer, those behind it are asked without it."""
    detour: tuple[str, ...] = ()
    """Whom that would be; only in explanations."""
    attempts: tuple[Attempt, ...] = ()
    """What became of it, in the order asked; only of a question that was analysed."""

    @property
    def relieved(self) -> bool:
        """Tell whether somebody else may be asked in the member's place."""
        return self.bypass or bool(self.standbys)

    @property
    def stands_for(self) -> str:
        """The dataset that the member is asked for in its owner's place; empty if it is asked for its own part."""
        alone = self.scope is Scope.SELF and len(self.expected) == 1
        return self.expected[0].dataset if alone and not self.expected[0].dataset.startswith(f"{self.node}/") else ""

    @property
    def covered(self) -> bool:
        """Tell whether there is a standby for everything that is kept."""
        held = {standby.dataset for standby in self.standbys}
        return bool(held) and all(item.dataset in held for item in self.expected if item.keep)

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
    zones: Cut = field(default_factory=dict)
    """Datasets that zones are taken from, with their versions; none if there are no such zones."""
    boundary: Cut = field(default_factory=dict)
    """Versions that the boundary of the question's division was taken from."""

    @property
    def cut(self) -> dict[str, int]:
        """Versions that the answer will be computed from; those pruned too, as they were looked at to prune them."""
        steps = {name: version for step in self.steps for name, version in step.versions.items()}
        return {**self.boundary, **self.zones, **steps}
