"""The files of one publish, opened: a layer, or new states and deletes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.errors import InvalidQuestion
from node.ingest.columns import Role
from node.ingest.report import DELETES, Fault
from node.ingest.source import LayerSource, open_source


@dataclass(frozen=True, slots=True)
class Files:
    """Which files a publish is made of, and what their reader has to be told; see the options of `guotu publish`."""

    layer_file: Path | None = None
    changes: Path | None = None
    deletes: Path | None = None
    layer: str | None = None
    deletes_layer: str | None = None
    encoding: str | None = None
    crs: str | None = None
    key: str | None = None
    operation: str | None = None
    mapping: Mapping[str, str] | None = None

    @property
    def is_increment(self) -> bool:
        """Tell whether these are changes, not a whole layer."""
        return self.layer_file is None


class Source(Protocol):
    """What a publish is made of, as it is read. Findings are complete after the last batch."""

    is_increment: bool
    """Whether these are changes, not a whole layer."""
    expected_head: str
    """Manifest of the head that an increment was found against; empty for any."""

    @property
    def describe(self) -> str:
        """What is read, for reports."""

    @property
    def schema(self) -> pa.Schema | None:
        """Schema of the rows; None if there are none to send."""

    @property
    def deletes_schema(self) -> pa.Schema | None:
        """Schema of the rows to delete; None if there are none to send."""

    @property
    def feature_count(self) -> int:
        """Rows that will come; 0 if it is not known."""

    @property
    def faults(self) -> list[Fault]:
        """Why it cannot be accepted, as far as was seen."""

    @property
    def findings(self) -> list[Fault]:
        """Faults and notices, as far as was seen."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""

    def deletes(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows to delete."""


class Sources:
    """The files as they are read. Findings are complete after the last batch."""

    expected_head = ""

    def __init__(self, rows: LayerSource | None, deletes: LayerSource | None, is_increment: bool) -> None:
        self.is_increment = is_increment
        self._rows = rows
        self._deletes = deletes

    @property
    def describe(self) -> str:
        """What is read, for reports."""
        rows = [] if self._rows is None else [str(self._rows.describe)]
        deletes = [] if self._deletes is None else [f"删除 deletes: {self._deletes.describe}"]
        return "; ".join([*rows, *deletes])

    @property
    def schema(self) -> pa.Schema | None:
        """Schema of the rows; None if there are none to send."""
        return _schema(self._rows)

    @property
    def deletes_schema(self) -> pa.Schema | None:
        """Schema of the rows to delete; None if there are none to send."""
        return _schema(self._deletes)

    @property
    def feature_count(self) -> int:
        """Rows that will come; 0 if a format does not tell."""
        counts = [source.feature_count for source in (self._rows, self._deletes) if source is not None]
        return sum(counts) if all(counts) else 0

    @property
    def faults(self) -> list[Fault]:
        """Why it cannot be accepted, as far as was seen."""
        return self._findings(lambda source: source.faults)

    @property
    def findings(self) -> list[Fault]:
        """Faults and notices, as far as was seen."""
        return self._findings(lambda source: [*source.faults, *source.notices])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        return iter(()) if self._rows is None else self._rows.batches()

    def deletes(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows to delete."""
        return iter(()) if self._deletes is None else self._deletes.batches()

    def _findings(self, of: Callable[[LayerSource], list[Fault]]) -> list[Fault]:
        rows = [] if self._rows is None else of(self._rows)
        deletes = [] if self._deletes is None else [replace(fault, part=DELETES) for fault in of(self._deletes)]
        return [*rows, *deletes]


def open_sources(files: Files, collection: Collection) -> Sources:
    """Open what a publish is made of; what is wrong with the files is told by `Sources.faults`.

    Raises:
        InvalidQuestion: the encoding is unknown.
    """
    opened = partial(open_source, collection=collection, encoding=files.encoding, key=files.key, mapping=files.mapping)
    try:
        rows = deletes = None
        if files.layer_file is not None:
            rows = opened(files.layer_file, layer=files.layer, crs=files.crs)
        if files.changes is not None:
            role = Role.CHANGES
            rows = opened(files.changes, layer=files.layer, crs=files.crs, role=role, operation=files.operation)
        if files.deletes is not None:
            deletes = opened(files.deletes, layer=files.deletes_layer, role=Role.DELETES)
        return Sources(rows, deletes, files.is_increment)
    except ValueError as failure:
        raise InvalidQuestion(part="--encoding", detail=str(failure)) from failure


def _schema(source: LayerSource | None) -> pa.Schema | None:
    return source.schema if source is not None and len(source.schema) else None
