"""A difference as a table: what changed in each feature, from what to what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import GEOMETRY
from node.cli.console import table
from node.cli.diff_stream import AFTER, BEFORE, DELETE, INSERT, UPDATE, DiffStream, areas_of, column
from node.cli.formats.table import cells, geometry_summaries
from node.cli.groups import hectares

if TYPE_CHECKING:
    from rich.table import Table

_OPS = {INSERT: "新增 insert", UPDATE: "变更 update", DELETE: "删除 delete"}
_NOTHING = "（空 null）"
Line = tuple[str, str, str, str, str]


def diff_table(stream: DiffStream, titles: Mapping[str, str]) -> Table:
    """Read all of a difference; return a line for each attribute that changed. `titles` are those of fields."""
    lines = [line for batch in stream for line in _lines(batch, stream, titles)]
    columns = ("操作 op", stream.key, "字段 field", f"之前 before @{stream.since}", f"之后 after @{stream.until}")
    return table(f"差异 difference: {stream.dataset}", columns, lines)


def _lines(batch: pa.RecordBatch, stream: DiffStream, titles: Mapping[str, str]) -> Iterator[Line]:
    keys, ops = cells(pa.chunked_array([batch.column(stream.key)])), batch.column("op").to_pylist()
    shown = {side: _texts(batch, side, stream) for side in (BEFORE, AFTER)}
    changed = {field.name: _unequal(batch, field.name) for field in stream.fields}
    for row, (key, op) in enumerate(zip(keys, ops, strict=True)):
        label = _OPS.get(op, op)
        if op != UPDATE:
            whole = {side: _whole(shown[side], row, stream.key) for side in (BEFORE, AFTER)}
            before, after = ("", whole[AFTER]) if op == INSERT else (whole[BEFORE], "")
            yield label, key, "整个要素 whole feature", before, after
            continue
        for name, differs in changed.items():
            if differs[row]:
                title = "几何 geometry" if name == GEOMETRY else f"{name} {titles.get(name, '')}".strip()
                yield label, key, title, shown[BEFORE][name][row], shown[AFTER][name][row]


def _unequal(batch: pa.RecordBatch, name: str) -> list[bool]:
    before, after = (column(batch, side, name) for side in (BEFORE, AFTER))
    missing = pc.xor(pc.is_null(before), pc.is_null(after))
    differs: list[bool] = pc.or_(pc.fill_null(pc.not_equal(before, after), False), missing).to_pylist()
    return differs


def _texts(batch: pa.RecordBatch, side: str, stream: DiffStream) -> dict[str, list[str]]:
    """Return the columns of one side as people read them."""
    texts = {}
    for field in stream.fields:
        values = column(batch, side, field.name)
        if field.name == GEOMETRY:
            texts[GEOMETRY] = _shapes(values)
        else:
            plain = cells(pa.chunked_array([values]))
            texts[field.name] = [
                text if there else _NOTHING for text, there in zip(plain, values.is_valid().to_pylist(), strict=True)
            ]
    return texts


def _shapes(values: pa.Array) -> list[str]:
    """Return geometries by type, number of points and area in hectares."""
    areas = areas_of(values)
    summaries = geometry_summaries(pa.chunked_array([values]))
    return [
        f"{summary}, {hectares(float(area))} 公顷 ha" if area > 0 else summary or _NOTHING
        for summary, area in zip(summaries, areas, strict=True)
    ]


def _whole(texts: Mapping[str, list[str]], row: int, key: str) -> str:
    parts = {name: values[row] for name, values in texts.items() if name != key and values[row] != _NOTHING}
    return ", ".join(text if name == GEOMETRY else f"{name}={text}" for name, text in parts.items())
