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
_SHAPE = r'^(?:null|\{"type":"(?:Multi)?(?:Point|LineString|Polygon)","coordinates":[\[\]0-9eE+.,-]+\})$'
_FEATURE, _END = '{"type":"Feature","properties":', "}"
# No text can hold this: a quotation mark within a text stands behind a backslash.
_MEMBER = f'"{GEOMETRY}":'


def lines_between(path: Path, first: bytes, last: bytes) -> Iterator[pa.StringArray]:
    """Yield the lines between the line `first` of a file and the one that begins with `last`, without commas.

    All lines of the file where both are empty.

    Raises:
        ValueError: the first line is another, or there is no last one or a second one.
        pa.ArrowException: it is not UTF-8.
    """
    with path.open("rb") as file:
        if first and file.readline().rstrip(b"\r\n") != first:
            raise ValueError(f"首行不符 the first line is not {first.decode()}")
        yield from map(_texts, _chunks(file, last))


def _chunks(file: IO[bytes], last: bytes) -> Iterator[list[bytes]]:
    found = 0
    while lines := file.readlines(_CHUNK_BYTES):
        ends = [at for at, line in enumerate(lines) if last and line.startswith(last)]
        if not found:
            yield lines[: ends[0]] if ends else lines
        found += len(ends)
    if last and found != 1:
        # Of a member that stands twice, most readers take the second one.
        raise ValueError(f"应有一行 there should be one line {last.decode()} …, there are {found}")


def _texts(lines: list[bytes]) -> pa.StringArray:
    texts = pc.ascii_rtrim(pa.array(lines, pa.string()), ",\r\n")
    return texts.filter(pc.not_equal(texts, ""))


def features(lines: pa.StringArray, schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows of GeoJSON Features, one a line.

    Raises:
        ValueError, pa.ArrowException, shapely.errors.GEOSException: a line is not as one was written.
    """
    row, shape = _split(lines, f",{_MEMBER}", from_end=True)
    if not _all(pc.and_(pc.starts_with(row, _FEATURE), pc.ends_with(shape, _END))):
        raise ValueError("有的行不是所写的要素 some lines are not the features that were written")
    return _batch(_sliced(row, len(_FEATURE)), _sliced(shape, 0, -len(_END)), schema)


def objects(lines: pa.StringArray, schema: pa.Schema) -> pa.RecordBatch:
    """Return the rows of JSON objects, one a line.

    Raises: as `features`.
    """
    if GEOMETRY not in schema.names:
        return _batch(lines, None, schema)
    before, rest = _split(lines, _MEMBER)
    shape, after = _split(rest, _END)  # there is none within a geometry
    null = pc.starts_with(rest, "null")
    shape = pc.if_else(null, "null", pc.binary_join_element_wise(shape, _END, ""))
    after = pc.if_else(null, _sliced(rest, len("null")), after)
    return _batch(pc.binary_join_element_wise(before, f"{_MEMBER}null", after, ""), shape, schema, left=GEOMETRY)


def _split(texts: pa.StringArray, mark: str, from_end: bool = False) -> tuple[pa.StringArray, pa.StringArray]:
    """Return what stands before and after a mark: the first one, or the last."""
    parts = pc.split_pattern(texts, mark, max_splits=1, reverse=from_end)
    if not _all(pc.equal(pc.list_value_length(parts), 2)):
        raise ValueError(f"有的行缺少 some lines are without {mark}")
    return pc.list_element(parts, 0), pc.list_element(parts, 1)


def _sliced(texts: pa.StringArray, start: int, stop: int | None = None) -> pa.StringArray:
    return pc.utf8_slice_codeunits(texts, start, stop)


def _batch(rows: pa.StringArray, shapes: pa.StringArray | None, schema: pa.Schema, left: str = "") -> pa.RecordBatch:
    """Put a batch together of JSON objects and GeoJSON geometries; `left` is a member without value in the objects."""
    plain = [field for field in schema if field.name != GEOMETRY]
    if not plain and not left:
        if not _all(pc.equal(rows, "{}")):
            raise ValueError("有多余的属性 there are attributes that were not written")
        columns = {}
    else:
        columns = _attributes(rows, [*plain, *([pa.field(left, pa.null())] if left else [])])
    if GEOMETRY in schema.names:
        columns[GEOMETRY] = _geometries(shapes)
    elif shapes is not None and not _all(pc.equal(shapes, "null")):
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
    if not _all(pc.match_substring_regex(texts, _SHAPE)):
        raise ValueError("有的几何不是所写的 some geometries are not as they were written")
    present = pc.if_else(pc.equal(texts, "null"), None, texts)
    shapes = shapely.from_geojson(present.to_numpy(zero_copy_only=False))
    return pa.array(shapely.to_wkb(shapes, byte_order=1, flavor="iso"), pa.binary())


def _all(mask: pa.BooleanArray) -> bool:
    return bool(pc.all(mask, min_count=0).as_py())
