"""Groups as a table for the screen: codes with their names, square metres also as hectares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.grouping import division_level
from guotu.model.overlay import AREA, COUNT, SHARE, zone_column
from guotu.model.question import Aggregate, AggregateFunction, LayerOverlay, Overlay, Stats
from guotu.model.zones import ZONE
from node.cli.console import stdout, table
from node.cli.deliver import show_account
from node.cli.formats.table import MAX_SHOWN, cells, first_rows
from node.cli.outcomes import at_least
from node.cli.rows import Rows
from node.cli.wording import count

if TYPE_CHECKING:
    from guotu.answering import Answer

_M2_PER_HECTARE = Decimal(10_000)
_CENT = Decimal("0.01")


def deliver_groups(answer: Answer, question: Stats, collection: Collection) -> None:
    """Show the groups, then what the answer says of itself."""
    groups = pa.Table.from_batches(list(answer), answer.schema)
    shown = groups.slice(0, MAX_SHOWN)
    headers: list[str] = []
    columns: list[Sequence[str]] = []
    for name in question.group_by:
        headers.append(_group_header(collection, name))
        columns.append(_labelled(shown.column(name), collection, name))
    for aggregate in question.aggregates:
        values = shown.column(aggregate.alias)
        is_area = _is_area(collection, aggregate)
        grows = aggregate.function in (AggregateFunction.COUNT, AggregateFunction.SUM)
        least = (
            at_least(answer.completeness)
            if grows and (is_area or aggregate.function is AggregateFunction.COUNT)
            else ""
        )
        headers.append(aggregate.alias + least)
        columns.append(cells(values))
        if is_area:
            headers.append(f"{aggregate.alias} 公顷 ha{least}")
            columns.append([hectares(value) for value in values.to_pylist()])
    numeric = headers[len(question.group_by) :]
    stdout().print(table("", headers, zip(*columns, strict=True), numeric))
    if shown.num_rows < groups.num_rows:
        stdout().print(f"… 显示前 shown: {count(shown.num_rows)} / {count(groups.num_rows)} 组 groups (--format, -o)")
    show_account(answer)


def deliver_overlay(answer: Answer, question: Overlay, collection: Collection) -> None:
    """Show the groups by zone, then what the answer says of itself."""
    _deliver_areas(answer, question.group_by, collection, lambda shown: {"分区 zone": cells(shown.column(ZONE))})


def deliver_layer_overlay(answer: Answer, question: LayerOverlay, collection: Collection, zones: Collection) -> None:
    """Show the groups of both layers, then what the answer says of itself; `zones` is the collection of the zones."""

    def labels(shown: pa.Table) -> dict[str, Sequence[str]]:
        return {
            f"{zones.title} {_group_header(zones, name)}": _labelled(shown.column(zone_column(name)), zones, name)
            for name in question.zones.group_by
        }

    _deliver_areas(answer, question.group_by, collection, labels)


def _deliver_areas(
    answer: Answer,
    group_by: Sequence[str],
    collection: Collection,
    labels: Callable[[pa.Table], dict[str, Sequence[str]]],
) -> None:
    rows = Rows(answer)
    shown = first_rows(rows)
    areas = shown.column(AREA)
    least = at_least(answer.completeness)
    columns = labels(shown)
    for name in group_by:
        columns[_group_header(collection, name)] = _labelled(shown.column(name), collection, name)
    numbers = {
        f"图斑 count{least}": cells(shown.column(COUNT)),
        f"{AREA}{least}": cells(areas),
        f"公顷 ha{least}": [hectares(value) for value in areas.to_pylist()],
    }
    if SHARE in shown.column_names:
        numbers[f"占比 share{least}"] = [f"{value:.2%}" for value in shown.column(SHARE).to_pylist()]
    columns |= numbers
    stdout().print(
        table(f"{collection.title} {collection.id}", list(columns), zip(*columns.values(), strict=True), numbers)
    )
    if shown.num_rows < rows.count:
        stdout().print(f"… 显示前 shown: {count(shown.num_rows)} / {count(rows.count)} 行 rows (--format, -o)")
    show_account(answer)


def hectares(square_metres: Decimal | float | None) -> str:
    """Return an area in hectares with two decimals, half-up (四舍五入); empty for none."""
    if square_metres is None:
        return ""
    exact = square_metres if isinstance(square_metres, Decimal) else Decimal(repr(square_metres))
    return f"{(exact / _M2_PER_HECTARE).quantize(_CENT, ROUND_HALF_UP):f}"


def _is_area(collection: Collection, aggregate: Aggregate) -> bool:
    field = collection.field(aggregate.field)
    return field is not None and field.unit == "m2" and aggregate.function is not AggregateFunction.COUNT


def _group_header(collection: Collection, name: str) -> str:
    field = collection.field(name)
    return name if field is None else f"{name} {field.title}"


def _labelled(column: pa.ChunkedArray, collection: Collection, name: str) -> Sequence[str]:
    """Return group values with their name in the code list or the gazetteer."""
    texts = cells(column)
    if division_level(collection, name) is not None or name == collection.division_field:
        from registry.gazetteer import Gazetteer

        gazetteer = Gazetteer.load()
        return [text if not text or gazetteer.get(text) is None else f"{text} {gazetteer.name(text)}" for text in texts]
    field = collection.field(name)
    listed = collection.code_lists.get(field.codes) if field is not None else None
    codes = listed.codes if listed is not None else {}
    return [f"{text} {codes[text]}" if text in codes else text for text in texts]
