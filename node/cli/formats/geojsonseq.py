"""GeoJSON one Feature a line (newline-delimited), for programs that read as it comes."""

from __future__ import annotations

from typing import IO

from node.cli.formats.json_text import features
from node.cli.rows import Rows


def write(rows: Rows, target: IO[bytes]) -> None:
    """Write all rows to a binary stream as UTF-8."""
    for batch in rows:
        target.writelines(f"{text}\n".encode() for text in features(batch))
