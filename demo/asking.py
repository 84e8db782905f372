"""Asking a question of a node, and keeping what came back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from demo.questions import DemoQuestion
from guotu.client import Client
from guotu.model.answer import Completeness, Trailer
from guotu.model.collection import GEOMETRY
from guotu.model.errors import Incomplete
from guotu.model.plan import Plan
from node.cli.documents import completeness_document
from node.cli.failure import error_document

SMALL_ROWS = 60
"""Most rows of an answer that the report repeats."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question and how it ended: with an answer, or with a refusal."""

    asked: DemoQuestion
    node: str
    milliseconds: float
    rows: int = 0
    table: pa.Table | None = None
    plan: Plan | None = None
    cut: Mapping[str, int] = field(default_factory=dict)
    trailer: Trailer | None = None
    error: Incomplete | None = None

    @property
    def digest(self) -> str:
        """Result digest, hex; empty if there was no answer."""
        return self.trailer.digest.hex() if self.trailer is not None else ""

    @property
    def completeness(self) -> Completeness | None:
        """Outcomes of the members; None if they were not told."""
        if self.trailer is not None:
            return self.trailer.completeness
        return self.error.completeness if self.error is not None else None

    def rows_of(self) -> pa.Table:
        """Return the rows.

        Raises:
            ValueError: there was no answer, or it has none.
        """
        if self.table is None:
            raise ValueError(f"{self.asked.name}: 没有回答 there was no answer") from self.error
        return self.table

    def document(self) -> dict[str, Any]:
        """Return its entry in the report."""
        shares = {} if self.completeness is None else completeness_document(self.completeness)
        return {
            "name": self.asked.name,
            "title": self.asked.title,
            "command": self.asked.command,
            "kind": self.asked.kind,
            "node": self.node,
            "rows": self.rows,
            "cut": dict(sorted(self.cut.items())),
            "outcomes": shares.pop("members", []),
            "completeness": shares,
            "digest": self.digest,
            "milliseconds": round(self.milliseconds, 1),
            "result": small_rows(self.table),
            "error": None if self.error is None else error_document(self.error)["error"],
        }


def ask(client: Client, node: str, asked: DemoQuestion) -> Asked:
    """Ask a question of the node that `client` is connected to, or have it explained.

    Raises:
        GuotuError: it could not be answered; an incomplete answer is kept, not raised.
    """
    started = time.perf_counter()
    if asked.explained:
        plan, trailer = client.explain(asked.question, analyze=True)
        rows = 0 if trailer is None else trailer.rows
        return Asked(asked, node, _since(started), rows, None, plan, plan.cut, trailer)
    try:
        answer = client.ask(asked.question)
        table = answer.table()
    except Incomplete as refusal:
        return Asked(asked, node, _since(started), error=refusal)
    milliseconds = _since(started)
    return Asked(asked, node, milliseconds, len(table), table, answer.plan, answer.cut, answer.trailer)


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def small_rows(table: pa.Table | None) -> list[dict[str, Any]] | None:
    """Return the rows of a small answer without their geometry, decimals as text; None if it is not small."""
    if table is None or len(table) > SMALL_ROWS:
        return None
    names = [name for name in table.column_names if name != GEOMETRY]
    return [{name: _plain(value) for name, value in row.items()} for row in table.select(names).to_pylist()]


def _plain(value: Any) -> Any:
    return f"{value:f}" if isinstance(value, Decimal) else value


def top_of_each(table: pa.Table, group: str, measure: str, number: int) -> pa.Table:
    """Return the rows with the largest measures of each group, in the order of groups and measures."""
    ordered = table.sort_by([(group, "ascending"), (measure, "descending")])
    parts = [ordered.filter(pc.equal(ordered[group], value)).slice(0, number) for value in pc.unique(ordered[group])]
    return pa.concat_tables(parts)
