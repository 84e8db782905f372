"""Names in SQL text."""

from __future__ import annotations

from collections.abc import Callable, Iterable

ROWS = "f"
"""Alias of the features in every statement, so that columns are never mistaken for output names."""
SINCE, UNTIL = "_since", "_until"
"""First version that has a row, and the first that has it no longer, null if there is none yet. int64."""


def quote(name: str) -> str:
    """Return a name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def column(name: str, rows: str = ROWS) -> str:
    """Return a column of the features, or of other rows."""
    return f"{rows}.{quote(name)}"


def listed(names: Iterable[str], written: Callable[[str], str] = quote) -> str:
    """Return names one after the other."""
    return ", ".join(map(written, names))
