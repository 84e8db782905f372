"""Rows as a table for the screen: geometry summarised, codes and areas as they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import shapely

from node.cli.console import table
from node.cli.outcomes import at_least
from node.cli.rows import Rows

if TYPE_CHECKING:
    from rich.table import Table

MAX_SHOWN = 1000
"""Rows shown at most; the rest is counted."""


def preview(rows: Rows, totals: Collection[str] = ()) -> tuple[Table, int]:
    """Read all rows; return a table of the first ones, and how many it shows.

    `totals` are columns to which members who are missing would only add.
    """
    shown = first_rows(rows)
    columns = [cells(column) for column in shown.itercolumns()]
    least = at_least(rows.answer.completeness)
    headers = {field.name: f"{field.name}{least}" if field.name in totals else field.name for field in rows.schema}
    numeric = [headers[field.name] for field in rows.schema if is_number(field.type)]
    return table("", list(headers.values()), zip(*columns, strict=True), numeric), shown.num_rows


def first_rows(rows: Rows) -> pa.Table:
    """Read all rows; return the first ones, as many as are shown."""
    kept: list[pa.RecordBatch] = []
    room = MAX_SHOWN
    for batch in rows:
        if room:
            kept.append(batch.slice(0, room))
            room -= kept[-1].num_rows
    return pa.Table.from_batches(kept, rows.schema)


def is_number(kind: pa.DataType) -> bool:
    """Tell whether a column is set to the right."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def cells(column: pa.ChunkedArray) -> Sequence[str]:
    """Return a column as people read it: every digit of a decimal, a geometry by type and number of points."""
    if pa.types.is_binary(column.type):
        return geometry_summaries(column)
    if pa.types.is_decimal(column.type):
        return ["" if value is None else f"{value:f}" for value in column.to_pylist()]
    return ["" if value is None else str(value) for value in column.to_pylist()]


def geometry_summaries(column: pa.ChunkedArray) -> list[str]:
    """Return "MultiPolygon 128 点 pts" for each WKB; empty where there is none."""
    geometries = shapely.from_wkb(column.to_numpy())
    points = shapely.get_num_coordinates(geometries)
    return [
        "" if geometry is None else f"{geometry.geom_type} {number} 点 pts"
        for geometry, number in zip(geometries, points, strict=True)
    ]
