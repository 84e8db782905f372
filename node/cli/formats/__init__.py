"""The forms that an answer's rows can be written in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from node.cli.rows import Rows


@dataclass(frozen=True, slots=True)
class Format:
    """One form: which module writes it, and what it cannot do."""

    name: str
    suffixes: tuple[str, ...]
    module: str
    """Module below this package, with functions `write(rows, target)` and `read(path, schema, layer)`."""
    streams: bool = True
    """True if `target` is a binary stream; False if it must be a path."""
    sidecar: bool = False
    """True if the form has no room for what the answer says of itself, which then stands in a file beside it."""
    exact: bool = False
    """True if it keeps every bit of every value, its own types too."""
    heights: bool = True
    """False if geometries lose their third dimension."""

    @property
    def write(self) -> Callable[[Rows, object], None]:
        """Return the function that writes rows; nothing heavy is imported before."""
        found: Callable[[Rows, object], None] = import_module(f"{__name__}.{self.module}").write
        return found

    @property
    def read(self) -> Callable[[Path, pa.Schema, str], Iterator[pa.RecordBatch]]:
        """Return the function that reads rows back, in the columns and types of a schema, from the layer of a name.

        It raises ValueError, OSError, pa.ArrowException or GEOSException where the file is not as it was written.
        """
        found: Callable[[Path, pa.Schema, str], Iterator[pa.RecordBatch]] = import_module(
            f"{__name__}.{self.module}"
        ).read
        return found


FORMATS = {
    item.name: item
    for item in (
        Format("geojson", (".geojson", ".json"), "geojson"),
        Format("geojsonseq", (".geojsonl", ".geojsons", ".ndjson"), "geojsonseq", sidecar=True),
        Format("gpkg", (".gpkg",), "gpkg", streams=False),
        Format("fgb", (".fgb",), "fgb", streams=False, sidecar=True, heights=False),
        Format("parquet", (".parquet", ".geoparquet"), "parquet", exact=True),
        Format("csv", (".csv",), "csv", sidecar=True),
    )
}
JSON = Format("json", (), "answer_json")
"""The document that `--json` prints; it is not among FORMATS, because it is not chosen by --format."""


def saved_format(name: str) -> Format | None:
    """Return the form that a saved answer says it has; None if there is no such form."""
    return JSON if name == JSON.name else FORMATS.get(name)


def format_of(path: Path) -> Format | None:
    """Return the form that a file's name asks for; None if it asks for none."""
    return next((item for item in FORMATS.values() if path.suffix.lower() in item.suffixes), None)
