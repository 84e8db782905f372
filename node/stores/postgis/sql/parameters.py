"""Values that travel beside the SQL text, as the driver wants them."""

from __future__ import annotations

from decimal import Decimal

from node.stores.sql.parameters import Parameter, Parameters, Value


class PgParameters(Parameters):
    """Collects the parameters of one statement; whole numbers go as int, which the driver insists on."""

    def bind(self, value: Parameter, sql_type: str) -> str:
        """Add a parameter; returns its place in the text, with its type."""
        if sql_type.startswith("bigint"):
            value = [_whole(item) for item in value] if isinstance(value, list) else _whole(value)
        return super().bind(value, sql_type)


def _whole(value: Value) -> Value:
    return int(value) if isinstance(value, Decimal) else value
