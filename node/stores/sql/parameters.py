"""Values that travel beside the SQL text."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

Value = str | int | float | bool | date | Decimal | bytes
Parameter = Value | list[Value]


class Parameters:
    """Collects the parameters of one statement, in the order of their numbers."""

    def __init__(self) -> None:
        self.values: list[Parameter] = []

    def bind(self, value: Parameter, sql_type: str) -> str:
        """Add a parameter; returns its place in the text, with its type."""
        self.values.append(value)
        return f"${len(self.values)}::{sql_type}"
