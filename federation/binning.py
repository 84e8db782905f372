"""Classes of equal width: their ends are found first, then features are counted by class, on the same cut."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from federation.execution.deadline import Deadline
from federation.partial import AskStats, step
from guotu.model.bins import Edge, edges_of, equal_edges
from guotu.model.collection import Collection
from guotu.model.grouping import require_field
from guotu.model.question import Aggregate, AggregateFunction, Bins, Stats

_ENDS = (AggregateFunction.MIN, AggregateFunction.MAX)


async def with_edges(question: Stats, bins: Bins, collection: Collection, ask: AskStats, deadline: Deadline) -> Stats:
    """Return a question whose classes have all edges, on the cut on which these were found.

    Raises: as `guotu.model.ports.FeatureQuery.stats`.
    """
    field, asked = require_field(collection, bins.field), question.options
    if bins.edges:
        low, high = map(_plain, edges_of(bins, field))
    else:
        ends = tuple(Aggregate(function, bins.field, function.value) for function in _ENDS)
        options = replace(question.options, receipt=False)
        found = await step(ask, replace(question, aggregates=ends, bins=None, options=options), deadline)
        low, high = (found.rows[name][0].as_py() if found.rows.num_rows else None for name in _ENDS)
        asked = replace(asked, cut=dict(found.header.cut), closed=bool(found.header.cut))
    edges = equal_edges(field, low, high, bins.count)
    return replace(question, bins=Bins(bins.field, 0, edges), options=asked)


def _plain(edge: Edge) -> object:
    """Return a decimal as the whole number or the double that it is."""
    if isinstance(edge, Decimal):
        return int(edge) if edge == edge.to_integral_value() else float(edge)
    return edge
