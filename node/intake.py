"""Rows of a publish on their way in: inspected, and spooled until all of them are known to be good."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from guotu.model.collection import Collection
from guotu.model.errors import InvalidInput
from guotu.model.schema import arrow_schema
from node.ingest.increment import IncrementInspector
from node.ingest.inspect import Inspector
from node.ingest.report import ImportReport
from node.ingest.spool import Spool


class Intake(Protocol):
    """Takes the rows of one publish; `close` removes what it spooled."""

    @property
    def rows(self) -> Path:
        """Spooled rows; Arrow IPC, schema `arrow_schema(collection)`."""

    @property
    def stated(self) -> Path | None:
        """What an increment states of its rows, row by row; None for nothing."""

    @property
    def deletes(self) -> Path | None:
        """Keys that an increment deletes, with what it states of them; None for none."""

    def open(self) -> None:
        """Begin the spools."""

    def take(self, batch: pa.RecordBatch) -> None:
        """Inspect and spool rows.

        Raises:
            InvalidInput: the batch is not sound, or not as announced.
        """

    def take_deletes(self, batch: pa.RecordBatch) -> None:
        """Inspect and spool rows to delete.

        Raises:
            InvalidInput: the batch is not sound, or not as announced.
        """

    def finish(self) -> ImportReport:
        """End the spools and return what was found."""

    def close(self) -> None:
        """Remove everything."""


class LayerIntake:
    """The rows of a whole layer."""

    stated: Path | None = None
    deletes: Path | None = None

    def __init__(self, inspector: Inspector, collection: Collection, schema: pa.Schema, stem: Path) -> None:
        """`schema` is that of the batches to come; `stem` the path of the spool, without suffix."""
        self._inspector = inspector
        self._spool = Spool(stem.with_suffix(".arrow"), arrow_schema(collection))
        self.rows = self._spool.path
        inspector.begin(schema)

    def open(self) -> None:
        """Begin the spool."""
        self._spool.__enter__()

    def take(self, batch: pa.RecordBatch) -> None:
        """Inspect and spool rows; see `Intake`."""
        clean = self._inspector.take(batch)
        if clean is not None:
            self._spool.write(clean)

    def take_deletes(self, batch: pa.RecordBatch) -> None:
        """Refuse them: a whole layer leaves out what is no more.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput(detail="a whole layer has no rows to delete")

    def finish(self) -> ImportReport:
        """End the spool and return what was found."""
        self._spool.close()
        return self._inspector.finish()

    def close(self) -> None:
        """Remove the spool."""
        self._inspector.close()
        self._spool.close()
        self._spool.discard()


class IncrementIntake:
    """The rows of an increment: new states, what they state, and deletes."""

    def __init__(self, inspector: IncrementInspector, collection: Collection, stem: Path) -> None:
        """`stem` is the path of the spools, without suffix."""
        self._inspector = inspector
        self._rows = Spool(stem.with_suffix(".arrow"), arrow_schema(collection))
        self._stated = _spool(stem.with_suffix(".stated.arrow"), inspector.stated_schema)
        self._deletes = _spool(stem.with_suffix(".deletes.arrow"), inspector.deletes_schema)
        self._spools = [spool for spool in (self._rows, self._stated, self._deletes) if spool is not None]
        self.rows = self._rows.path
        self.stated = self._stated.path if self._stated else None
        self.deletes = self._deletes.path if self._deletes else None

    def open(self) -> None:
        """Begin the spools."""
        for spool in self._spools:
            spool.__enter__()

    def take(self, batch: pa.RecordBatch) -> None:
        """Inspect and spool rows; see `Intake`."""
        clean = self._inspector.take(batch)
        if clean is None:
            return
        self._rows.write(clean.rows)
        if self._stated is not None and clean.stated is not None:
            self._stated.write(clean.stated)

    def take_deletes(self, batch: pa.RecordBatch) -> None:
        """Inspect and spool rows to delete; see `Intake`."""
        clean = self._inspector.take_deletes(batch)
        if clean is not None and self._deletes is not None:
            self._deletes.write(clean)

    def finish(self) -> ImportReport:
        """End the spools and return what was found."""
        for spool in self._spools:
            spool.close()
        return self._inspector.finish()

    def close(self) -> None:
        """Remove the spools, all of them whatever happens."""
        with ExitStack() as stack:
            stack.callback(self._inspector.close)
            for spool in self._spools:
                stack.callback(spool.discard)
                stack.callback(spool.close)


def _spool(path: Path, schema: pa.Schema | None) -> Spool | None:
    return None if schema is None else Spool(path, schema)
