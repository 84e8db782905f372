"""The rows of an answer on their way into a file or onto the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from node.cli.documents import account_document
from node.cli.formats.kept import Kept
from node.cli.formats.row_order import RowOrder

if TYPE_CHECKING:
    from guotu.answering import Answer
    from guotu.model.answer import Batch
    from node.cli.formats import Format


class Rows:
    """Batches of one answer, read once; a failure is kept, because foreign code between us may lose it."""

    def __init__(self, answer: Answer, watch: Callable[[int], None] | None = None) -> None:
        """`watch` is told the rows so far after each batch."""
        self.answer = answer
        self.count = 0
        self._runs: list[tuple[str, int]] = []
        self._watch = watch
        self._failure: BaseException | None = None
        self._kept: Kept | None = None

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the rows."""
        return self.answer.schema

    @property
    def layer(self) -> str:
        """Name for a layer that holds the rows."""
        return self.answer.plan.collection

    @property
    def expected_rows(self) -> int:
        """Rows that the members advertise: no fewer than will come, more if a filter leaves some out."""
        return sum(step.advertised_rows for step in self.answer.plan.steps)

    def written_as(self, form: Format) -> None:
        """Note of the rows that come what it takes to read them back from a form."""
        self._kept = Kept(form, self.schema)

    def reordered(self) -> None:
        """Note the order of the rows that come, too; after `written_as`."""
        if self._kept is not None:
            self._kept.order = RowOrder()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Return the batches.

        Raises (while iterating): as `guotu.answering.Answer`.
        """
        batches = self._guarded()
        # A signal that comes while foreign code runs is raised at the first step of ours: by now inside the guard.
        next(batches)
        return cast("Iterator[pa.RecordBatch]", batches)

    def _guarded(self) -> Iterator[pa.RecordBatch | None]:
        """Yield once before the batches, then the batches."""
        try:
            yield None
            for batch in self.answer.batches():
                self._note(batch)
                if self._watch is not None:
                    self._watch(self.count)
                yield batch.rows
        except BaseException as failure:
            self._failure = failure
            raise

    def _note(self, batch: Batch) -> None:
        """Count the rows of each run of one origin."""
        self.count += batch.rows.num_rows
        if self._kept is not None:
            self._kept.update(batch.rows)
        before = self._runs.pop() if self._runs and self._runs[-1][0] == batch.dataset else (batch.dataset, 0)
        self._runs.append((batch.dataset, before[1] + batch.rows.num_rows))

    def reader(self) -> pa.RecordBatchReader:
        """Return a reader over the batches; after an error of its user call `raise_failure`."""
        return pa.RecordBatchReader.from_batches(self.schema, iter(self))

    def raise_failure(self) -> None:
        """Raise what ended the rows early; nothing if they did not."""
        if self._failure is not None:
            raise self._failure

    def account(self) -> dict[str, Any]:
        """Return what the answer says of itself; to be called once all rows were read.

        Where members were cut short, it has besides which rows are whose, since no digest covers theirs.
        """
        account = account_document(self.answer.header, self.answer.trailer, self.answer.warnings)
        if any(member.truncated for member in self.answer.completeness.members):
            account["runs"] = [{"dataset": dataset, "rows": rows} for dataset, rows in self._runs]
        return account

    def saved_account(self) -> dict[str, Any]:
        """Return the account as it stands with the rows: with what reading them back takes (see `Kept`)."""
        return self.account() | ({} if self._kept is None else self._kept.document())
