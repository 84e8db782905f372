"""Arrow rows as JSON text, whole columns at a time, every digit kept."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import shapely

from guotu.model.collection import GEOMETRY
from node.cli.formats.plain_text import plain_texts

_CONTROL = r"[\x00-\x1f]"


def json_values(column: pa.Array) -> pa.StringArray:
    """Return the JSON text of each value; missing values and numbers that JSON has not (NaN, ∞) are null.

    Text is quoted, dates and times are quoted in ISO 8601, WKB becomes a GeoJSON geometry (RFC 7946).
    """
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        texts = pa.array(shapely.to_geojson(shapely.from_wkb(column.to_numpy(zero_copy_only=False))), pa.string())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts = _quoted(_escaped(column.cast(pa.string())))
    elif pa.types.is_temporal(kind):
        texts = _quoted(column.cast(pa.string()))
    else:
        texts = plain_texts(column)
    return pc.fill_null(texts, "null")


def json_objects(columns: Sequence[pa.Array], names: Sequence[str]) -> pa.StringArray:
    """Return one JSON object a row, members in the order of `names`."""
    parts: list[object] = []
    for name, column in zip(names, columns, strict=True):
        parts += [("," if parts else "{") + json.dumps(name, ensure_ascii=False) + ":", json_values(column)]
    return pc.binary_join_element_wise(*parts, "}", "")


def row_objects(batch: pa.RecordBatch) -> list[str]:
    """Return each row as a JSON object; the geometry as a GeoJSON geometry."""
    texts: list[str] = json_objects(batch.columns, batch.schema.names).to_pylist()
    return texts


def features(batch: pa.RecordBatch) -> list[str]:
    """Return each row as a GeoJSON Feature; the geometry is null where there is none."""
    names = [name for name in batch.schema.names if name != GEOMETRY]
    if names:
        properties = json_objects([batch.column(name) for name in names], names)
    else:
        properties = pa.array(["{}"] * batch.num_rows, pa.string())
    if GEOMETRY in batch.schema.names:
        geometry = json_values(batch.column(GEOMETRY))
    else:
        geometry = pa.array(["null"] * batch.num_rows, pa.string())
    made = pc.binary_join_element_wise(
        '{"type":"Feature","properties":', properties, ',"geometry":', geometry, "}", ""
    )  # fmt: skip
    texts: list[str] = made.to_pylist()
    return texts


def _quoted(texts: pa.StringArray) -> pa.StringArray:
    return pc.binary_join_element_wise('"', texts, '"', "")


def _escaped(texts: pa.StringArray) -> pa.StringArray:
    """Escape as RFC 8259 §7 wants; control characters are rare in attributes and take the slow way."""
    if pc.any(pc.match_substring_regex(texts, _CONTROL)).as_py():
        plain = (None if text is None else json.dumps(text, ensure_ascii=False)[1:-1] for text in texts.to_pylist())
        return pa.array(plain, pa.string())
    return pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
