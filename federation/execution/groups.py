"""Merging groups: exact merges of count, sum, min and max; averages finished where the question began."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.errors import TooLarge
from guotu.model.question import MAX_GROUPS, Aggregate, AggregateFunction, Stats

_MERGED_BY = {
    AggregateFunction.COUNT: "sum",
    AggregateFunction.SUM: "sum",
    AggregateFunction.MIN: "min",
    AggregateFunction.MAX: "max",
}


def lower(aggregates: Sequence[Aggregate]) -> tuple[Aggregate, ...]:
    """Return the aggregates that merge exactly: an average becomes its sum and its count."""
    lowered: list[Aggregate] = []
    for item in aggregates:
        if item.function is AggregateFunction.AVG:
            lowered.append(Aggregate(AggregateFunction.SUM, item.field, f"{item.alias}__sum"))
            lowered.append(Aggregate(AggregateFunction.COUNT, item.field, f"{item.alias}__count"))
        else:
            lowered.append(item)
    return tuple(lowered)


def merge_groups(
    parts: Sequence[pa.Table], group_by: tuple[str, ...], aggregates: tuple[Aggregate, ...], schema: pa.Schema
) -> pa.Table:
    """Return one row a group, sorted by the group columns (nulls last).

    Args:
        parts: members' groups, each with `schema`.
        group_by: group columns.
        aggregates: lowered aggregates, the other columns.
        schema: grouping schema of both.

    Raises:
        TooLarge: more than MAX_GROUPS groups.
    """
    merged = parts[0] if len(parts) == 1 else _merged(parts, group_by, aggregates, schema)
    if merged.num_rows > MAX_GROUPS:
        raise TooLarge(what="groups", size=merged.num_rows, limit=MAX_GROUPS)
    return sort_groups(merged.cast(schema), group_by)


def _merged(
    parts: Sequence[pa.Table], group_by: tuple[str, ...], aggregates: tuple[Aggregate, ...], schema: pa.Schema
) -> pa.Table:
    everything = pa.concat_tables([schema.empty_table(), *parts])
    return _grouped(everything, group_by, aggregates) if group_by else _single(everything, aggregates)


def _grouped(table: pa.Table, group_by: tuple[str, ...], aggregates: tuple[Aggregate, ...]) -> pa.Table:
    wanted = [(item.alias, _MERGED_BY[item.function]) for item in aggregates]
    merged = table.group_by(list(group_by), use_threads=False).aggregate(wanted)
    names = [*group_by, *(f"{alias}_{function}" for alias, function in wanted)]
    return merged.select(names).rename_columns([*group_by, *(item.alias for item in aggregates)])


def _single(table: pa.Table, aggregates: tuple[Aggregate, ...]) -> pa.Table:
    """Without group columns there is exactly one row, also over nothing."""
    columns = {}
    for item in aggregates:
        function = _MERGED_BY[item.function]
        value = {"sum": pc.sum, "min": pc.min, "max": pc.max}[function](table[item.alias])
        if item.function is AggregateFunction.COUNT and not value.is_valid:
            value = pa.scalar(0, pa.int64())
        columns[item.alias] = pa.array([value.as_py()], table.schema.field(item.alias).type)
    return pa.table(columns)


def sort_groups(table: pa.Table, group_by: tuple[str, ...]) -> pa.Table:
    """Return the groups in the order of their columns, nulls last."""
    if not group_by:
        return table
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in group_by])
    return table.take(order)


def top(groups: pa.Table, stats: Stats) -> pa.Table:
    """Return the groups with the greatest values of the first aggregate, as many as are asked for.

    Groups without a value come last, equal ones in the order of their columns.
    """
    if not stats.top:
        return groups
    first = (stats.aggregates[0].alias, "descending")
    keys = [first, *((name, "ascending") for name in stats.group_by)]
    return groups.take(pc.sort_indices(groups, sort_keys=keys)[: stats.top])


def finish(merged: pa.Table, aggregates: tuple[Aggregate, ...], schema: pa.Schema) -> pa.Table:
    """Return the columns asked for, by `schema`: averages are made of their sums and counts."""
    named = {item.alias for item in aggregates}
    columns = [merged[name] for name in schema.names if name not in named]
    for item in aggregates:
        if item.function is AggregateFunction.AVG:
            total = merged[f"{item.alias}__sum"].cast(pa.float64())
            count = merged[f"{item.alias}__count"]
            some = pc.if_else(pc.greater(count, 0), count, None).cast(pa.float64())
            columns.append(pc.divide(total, some))
        else:
            columns.append(merged[item.alias])
    return pa.Table.from_arrays(columns, schema=schema)
