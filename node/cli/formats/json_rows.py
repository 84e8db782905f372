"""Rows read back from the JSON text that was written of them, thousands of lines at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import shapely

from guotu.model.collection import GEOMETRY

_CHUNK_BYTES = 8 << 20
_SHAPE = r'\{"type":"(?:Multi)?(?:Point|LineString|Polygon)","coordinates":[\[\]0-9eE+.,-]+\}'
_FEATURE = rf'^\{{"type":"Feature","properties":(?P<row>\{{.*\}}),"geometry":(?P<shape>null|{_SHAPE})\}}$'
# No text can hold this: a quotation mark within a text stands behind a backslash.
_MEMBER = rf'"{GEOMETRY}":(?P<shape>null|{_SHAPE})'


def lines_between(path: Path, first: bytes, last: bytes) -> Iterator[pa.StringArray]:
    """Yield the lines between the line `first` of a file and the one that begins with `last`, without commas.

    All lines of the file where both are empty.

    Raises:
        ValueError: the first line is another, or there is no last one.
        pa.ArrowException: it is not UTF-8.
    """
    with path.open("rb") as file:
        if first and file.readline().rstrip(b"\r\n") != first:
            raise ValueError(f"首行不符 the first line is not {first.decode()}")
        yield from map(_texts, _chunks(file, last))


def _chunks(file: IO[bytes], last: bytes) -> Iterator[list[bytes]]:
    while lines := file.readlines(_CHUNK_BYTES):
        end = next((at for at, line in enumerate(lines) if last and line.startswith(last)), None)
        yield lines[:end]
        if end is not None:
            return
    if last:
        raise ValueError(f"缺少行 there is no line {last.decode()} …")


def _texts(lines: list[bytes]) -> pa.StringArray:
    texts = pc.ascii_rtrim(pa.array(lines, pa.string()), ",\r\n")
    return texts.filter(pc.not_equal(texts, ""))


def features(lines: pa.StringArray, schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows of GeoJSON Features, one a line.

    Raises:
        ValueError, pa.ArrowException, shapely.errors.GEOSException: a line is not as one was written.
    """
    parts = pc.extract_regex(lines, _FEATURE)
    if parts.null_count:
        raise ValueError("有的行不是所写的要素 some lines are not the features that were written")
    return _batch(parts.field("row"), parts.field("shape"), schema)


def objects(lines: pa.StringArray, schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows of JSON objects, one a line.

    Raises: as `features`.
    """
    if GEOMETRY not in schema.names:
        return _batch(lines, None, schema)
    shapes = pc.extract_regex(lines, _MEMBER)
    if shapes.null_count:
        raise ValueError("有的行没有几何 some lines are without geometry")
    rest = pc.replace_substring_regex(lines, _MEMBER, f'"{GEOMETRY}":null', max_replacements=1)
    return _batch(rest, shapes.field("shape"), schema, left=GEOMETRY)


def _batch(rows: pa.StringArray, shapes: pa.StringArray | None, schema: pa.Schema, left: str = "") -> pa.RecordBatch:
    """Put a batch together of JSON objects and GeoJSON geometries; `left` is a member without value in the objects."""
    plain = [field for field in schema if field.name != GEOMETRY]
    if not plain and not left:
        if pc.any(pc.not_equal(rows, "{}")).as_py():
            raise ValueError("有多余的属性 there are attributes that were not written")
        columns = {}
    else:
        columns = _attributes(rows, [*plain, *([pa.field(left, pa.null())] if left else [])])
    if GEOMETRY in schema.names:
        columns[GEOMETRY] = _geometries(shapes)
    elif shapes is not None and pc.any(pc.not_equal(shapes, "null")).as_py():
        raise ValueError("有多余的几何 there are geometries that were not written")
    return pa.record_batch([columns[name] for name in schema.names], schema=schema)


def _attributes(rows: pa.StringArray, plain: list[pa.Field]) -> dict[str, pa.Array]:
    text = "\n".join(rows.to_pylist()).encode()
    # The reader has no dates; ISO texts are cast.
    read_as = [pa.field(f.name, pa.string() if pa.types.is_temporal(f.type) else f.type) for f in plain]
    if not text:
        return {field.name: pa.array([], field.type) for field in plain}
    table = pa.json.read_json(
        io.BytesIO(text),
        pa.json.ReadOptions(use_threads=False, block_size=len(text) + 1),
        pa.json.ParseOptions(explicit_schema=pa.schema(read_as), unexpected_field_behavior="error"),
    ).combine_chunks()
    if table.num_rows != len(rows):
        raise ValueError("一行不止一个对象 there is more than one object in a line")
    return {field.name: _whole(table.column(field.name)).cast(field.type) for field in plain}


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _geometries(texts: pa.StringArray | None) -> pa.BinaryArray:
    if texts is None:
        raise ValueError("没有几何 there are no geometries")
    present = pc.if_else(pc.equal(texts, "null"), None, texts)
    shapes = shapely.from_geojson(present.to_numpy(zero_copy_only=False))
    return pa.array(shapely.to_wkb(shapes, byte_order=1, flavor="iso"), pa.binary())
