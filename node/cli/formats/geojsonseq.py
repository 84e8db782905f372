"""GeoJSON one Feature a line (newline-delimited), for programs that read as it comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa

from node.cli.formats import json_rows
from node.cli.formats.json_text import features
from node.cli.rows import Rows


def write(rows: Rows, target: IO[bytes]) -> None:
    """Write all rows to a binary stream as UTF-8."""
    for batch in rows:
        target.writelines(f"{text}\n".encode() for text in features(batch))


def read(path: Path, schema: pa.Schema, layer: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that was written here.

    Raises: as `node.cli.formats.Format.read`.
    """
    return (json_rows.features(chunk, schema) for chunk in json_rows.lines_between(path, b"", b""))
