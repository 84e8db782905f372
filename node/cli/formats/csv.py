"""CSV (RFC 4180) in UTF-8 with a header; text is always quoted, so codes keep their zeros; geometry is WKT.

A missing value is empty, an empty text is a pair of quotes.
"""

from __future__ import annotations

from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import shapely

from node.cli.formats.plain_text import plain_texts
from node.cli.rows import Rows


def write(rows: Rows, target: IO[bytes]) -> None:
    """Write all rows to a binary stream."""
    header = _quoted(pa.array(rows.schema.names, pa.string())).to_pylist()
    target.write((",".join(header) + "\n").encode())
    for batch in rows:
        if batch.num_rows:
            lines = pc.binary_join_element_wise(*map(_cells, batch.columns), ",")
            target.write(("\n".join(lines.to_pylist()) + "\n").encode())


def _cells(column: pa.Array) -> pa.StringArray:
    if pa.types.is_binary(column.type):
        shapes = shapely.from_wkb(column.to_numpy(zero_copy_only=False))
        texts = _quoted(pa.array(shapely.to_wkt(shapes, rounding_precision=-1, trim=True), pa.string()))
    elif pa.types.is_string(column.type):
        texts = _quoted(column)
    else:
        texts = plain_texts(column)
    return pc.fill_null(texts, "")


def _quoted(texts: pa.StringArray) -> pa.StringArray:
    return pc.binary_join_element_wise('"', pc.replace_substring(texts, '"', '""'), '"', "")
