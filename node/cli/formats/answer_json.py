"""The document that `--json` prints, read back: {"rows": [...], ...} with a row a line."""

from __future__ import annotations

import json
import mmap
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
    for lines in lines_between(path, FIRST.encode(), LAST.encode()):
        yield objects(lines, schema)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        if "rows" in json.loads(account_text(text) or b"{}"):
            raise ValueError("rows 出现两次 rows stands twice")


def account_text(text: mmap.mmap) -> bytes | None:
    """Return what comes after the rows, as a JSON object, without reading them; None in another document."""
    end = f"\n{LAST}\n".encode()
    at = text.rfind(end) if text[: len(FIRST)] == FIRST.encode() else -1
    return None if at < 0 else b"{" + text[at + len(end) :]
