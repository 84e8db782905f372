"""Names in SQL text."""

from __future__ import annotations

ROWS = "f"
"""Alias of the table of features in every statement, so that columns are never mistaken for output names."""


def quote(name: str) -> str:
    """Return a name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def column(name: str) -> str:
    """Return a column of the table of features."""
    return f"{ROWS}.{quote(name)}"
