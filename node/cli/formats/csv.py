"""CSV (RFC 4180) in UTF-8 with a header; text is always quoted, so codes keep their zeros; geometry is WKT.

A missing value is empty, an empty text is a pair of quotes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import shapely

from node.cli.formats.plain_text import plain_texts
from node.cli.rows import Rows

# Decimals of a coordinate at most: with the default of 16, coordinates below 1 would lose their last digits.
_DECIMALS = 20
_CHUNK_BYTES = 8 << 20


def write(rows: Rows, target: IO[bytes]) -> None:
    """Write all rows to a binary stream."""
    target.write(_header(rows.schema))
    for batch in rows:
        if batch.num_rows:
            lines = pc.binary_join_element_wise(*map(_cells, batch.columns), ",")
            target.write(("\n".join(lines.to_pylist()) + "\n").encode())


def read(path: Path, schema: pa.Schema, layer: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that was written here.

    Raises: as `node.cli.formats.Format.read`.
    """
    types = [pa.string() if pa.types.is_binary(field.type) else field.type for field in schema]
    parsing = pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)
    conversion = pa.csv.ConvertOptions(
        column_types=dict(zip(schema.names, types, strict=True)),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    with path.open("rb") as file:
        header = _header(schema)
        if file.read(len(header)) != header:
            raise ValueError(f"首行不符 the first line is not {header.decode().strip()}")
        for chunk in _chunks(file):
            reading = pa.csv.ReadOptions(use_threads=False, block_size=len(chunk) + 1, column_names=schema.names)
            table = pa.csv.read_csv(io.BytesIO(chunk), reading, parsing, conversion)
            for batch in table.to_batches():
                yield pa.record_batch(list(map(_values, batch.columns, schema.types)), schema=schema)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield whole rows, some megabytes at a time: a row has ended where quotation marks are even in number."""
    while lines := file.readlines(_CHUNK_BYTES):
        odd = sum(line.count(b'"') for line in lines) % 2
        while odd and (line := file.readline()):
            lines.append(line)
            odd ^= line.count(b'"') % 2
        yield b"".join(lines)


def _header(schema: pa.Schema) -> bytes:
    names = _quoted(pa.array(schema.names, pa.string())).to_pylist()
    return (",".join(names) + "\n").encode()


def _values(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_binary(kind):
        return column
    shapes = shapely.from_wkt(column.to_numpy(zero_copy_only=False))
    return pa.array(shapely.to_wkb(shapes, byte_order=1, flavor="iso"), pa.binary())


def _cells(column: pa.Array) -> pa.StringArray:
    if pa.types.is_binary(column.type):
        shapes = shapely.from_wkb(column.to_numpy(zero_copy_only=False))
        texts = _quoted(pa.array(shapely.to_wkt(shapes, rounding_precision=_DECIMALS, trim=True), pa.string()))
    elif pa.types.is_string(column.type):
        texts = _quoted(column)
    else:
        texts = plain_texts(column)
    return pc.fill_null(texts, "")


def _quoted(texts: pa.StringArray) -> pa.StringArray:
    return pc.binary_join_element_wise('"', pc.replace_substring(texts, '"', '""'), '"', "")
