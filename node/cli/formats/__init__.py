"""The forms that an answer's rows can be written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from node.cli.rows import Rows


@dataclass(frozen=True, slots=True)
class Format:
    """One form: which module writes it, and what it cannot do."""

    name: str
    suffixes: tuple[str, ...]
    module: str
    """Module below this package, with a function `write(rows, target)`."""
    streams: bool = True
    """True if `target` is a binary stream; False if it must be a path."""
    sidecar: bool = False
    """True if the form has no room for what the answer says of itself, which then stands in a file beside it."""

    @property
    def write(self) -> Callable[[Rows, object], None]:
        """Return the function that writes rows; nothing heavy is imported before."""
        found: Callable[[Rows, object], None] = import_module(f"{__name__}.{self.module}").write
        return found


FORMATS = {
    item.name: item
    for item in (
        Format("geojson", (".geojson", ".json"), "geojson"),
        Format("geojsonseq", (".geojsonl", ".geojsons", ".ndjson"), "geojsonseq", sidecar=True),
        Format("gpkg", (".gpkg",), "gpkg", streams=False),
        Format("fgb", (".fgb",), "fgb", streams=False, sidecar=True),
        Format("parquet", (".parquet", ".geoparquet"), "parquet"),
        Format("csv", (".csv",), "csv", sidecar=True),
    )
}


def format_of(path: Path) -> Format | None:
    """Return the form that a file's name asks for; None if it asks for none."""
    return next((item for item in FORMATS.values() if path.suffix.lower() in item.suffixes), None)
