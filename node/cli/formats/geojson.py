"""GeoJSON (RFC 7946): one FeatureCollection, written as the rows come.

The CRS stands in the "crs" member of the 2008 format, which GIS still read: RFC 7946 knows WGS 84 only, and CGCS2000
would be lost. What the answer says of itself is the foreign member "guotu" at the end (RFC 7946 §6.1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa

from node.cli.formats import json_rows
from node.cli.formats.crs_of import geometry_crs_code
from node.cli.formats.json_text import features
from node.cli.rows import Rows

ACCOUNT_MEMBER = b'\n],"guotu":'
"""End of the features and beginning of the account; no line of the features begins so."""


def write(rows: Rows, target: IO[bytes]) -> None:
    """Write all rows to a binary stream as UTF-8."""
    target.write(_first_line(rows.schema) + b"\n")
    separator = b""
    for batch in rows:
        if batch.num_rows:
            target.write(separator + ",\n".join(features(batch)).encode())
            separator = b",\n"
    target.write(ACCOUNT_MEMBER + json.dumps(rows.saved_account(), ensure_ascii=False).encode() + b"}\n")


def read(path: Path, schema: pa.Schema, layer: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that was written here.

    Raises: as `node.cli.formats.Format.read`.
    """
    lines = json_rows.lines_between(path, _first_line(schema), ACCOUNT_MEMBER.strip())
    return (json_rows.features(chunk, schema) for chunk in lines)


def _first_line(schema: pa.Schema) -> bytes:
    return f'{{"type":"FeatureCollection"{_crs_member(schema)},"features":['.encode()


def _crs_member(schema: pa.Schema) -> str:
    code = geometry_crs_code(schema)
    if code is None or not code.startswith("EPSG:"):
        return ""
    name = f"urn:ogc:def:crs:EPSG::{code.removeprefix('EPSG:')}"
    return f',"crs":{{"type":"name","properties":{{"name":"{name}"}}}}'
