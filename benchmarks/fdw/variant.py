"""A question as it is put to all systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from guotu.model.question import Question


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to ask a question: the same for all sides."""

    question: str
    name: str
    mesh: Question
    forms: Mapping[str, str]
    """SQL by the name of its form; all give the same rows."""
    parameters: tuple[Any, ...]
    key: tuple[str, ...]
    """Columns that tell the rows of the answer apart."""
    before: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Statements that a form needs to be run first, in one transaction with it, with the same parameters."""
    close: tuple[str, ...] = ()
    """Columns of areas, which two engines need not compute to the last digit."""
