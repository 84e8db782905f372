"""The document that `--json` prints, read back: {"rows": [...], ...} with a row a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from node.cli.formats.json_rows import lines_between, objects

FIRST, LAST = '{"rows": [', "],"
"""The lines before and after the rows."""


def read(path: Path, schema: pa.Schema, layer: str) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that the document was saved in.

    Raises: as `node.cli.formats.Format.read`.
    """
    return (objects(lines, schema) for lines in lines_between(path, FIRST.encode(), LAST.encode()))
