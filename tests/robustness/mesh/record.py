"""The record of a run: one JSON object a line, in the order in which things ended."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Recorder:
    """Writes entries from any thread; each is on the disk when the next one is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def note(self, kind: str, **facts: Any) -> None:
        """Write down what happened; `kind` is ask, publish, fault, final or run."""
        line = json.dumps({"kind": kind, **facts}, ensure_ascii=False, separators=(",", ":"))
        with self._lock:
            self._file.write(line + "\n")

    def close(self) -> None:
        """End the record."""
        self._file.close()


def read_record(path: Path) -> Iterator[Entry]:
    """Yield the entries of a record; a last line that was cut short is left out."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)
