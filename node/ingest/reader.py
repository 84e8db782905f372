"""What every reader of one layer offers, whatever the format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from node.ingest.tally import Tally

ROWS_PER_READ = 8192


class UnreadableLayer(Exception):
    """A layer cannot be opened or read further; the text is for people."""


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """What is known of a layer before its rows are read."""

    layer: str
    driver: str
    schema: pa.Schema
    """Attribute columns under the file's own names, without the geometry."""
    feature_count: int
    """0 if the format does not tell."""
    encoding: str = "utf-8"
    has_geometry: bool = False
    crs: str | None = None
    """Reference system as the file has it; None if it has none."""
    crs_stated: bool = True
    """False if `crs` is only what the format assumes where a file says nothing."""
    extent: tuple[float, float, float, float] | None = None
    """xmin, ymin, xmax, ymax in `crs`, as the file states it; None if it does not."""


class LayerReader(Protocol):
    """Reads one layer as a stream."""

    @property
    def facts(self) -> LayerFacts:
        """What is known before reading."""

    def batches(self, columns: list[str], geometry: bool, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield rows in the file's order: `columns` in their order, then `geometry` (WKB, binary) if asked for.

        Text is valid UTF-8, U+FFFD where bytes could not be decoded. What is odd about rows goes to `tally`.

        Raises:
            UnreadableLayer: the file is broken.
        """


def plain_type(given: pa.DataType) -> pa.DataType:
    """Return the type that a column has once read: no dictionary, extension, large or view types."""
    if isinstance(given, pa.BaseExtensionType):
        return plain_type(given.storage_type)
    if pa.types.is_dictionary(given):
        return plain_type(given.value_type)
    if pa.types.is_large_string(given) or pa.types.is_string_view(given):
        return pa.string()
    if pa.types.is_large_binary(given) or pa.types.is_binary_view(given):
        return pa.binary()
    return given
