"""What is noticed of rows while they pass."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.schema import PLACE


class Arrival:
    """Sees the rows of a base pass: whether they come in curve order."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._last: pa.RecordBatch | None = None
        self.ordered = True

    def look(self, batch: pa.RecordBatch) -> None:
        """See a batch."""
        ends = batch.select([PLACE, self._key])
        parts = [ends] if self._last is None else [self._last, ends]
        self.ordered = self.ordered and _rising(pa.Table.from_batches(parts), self._key)
        if batch.num_rows:
            self._last = ends.slice(batch.num_rows - 1)


def _rising(rows: pa.Table, key: str) -> bool:
    """Tell whether rows come in curve order, each after the one before it."""
    before, after = rows.slice(0, max(len(rows) - 1, 0)), rows.slice(1)
    further = pc.greater(after[PLACE], before[PLACE])
    beside = pc.and_(pc.equal(after[PLACE], before[PLACE]), pc.greater(after[key], before[key]))
    return pc.all(pc.or_(further, beside), min_count=0).as_py() is True
