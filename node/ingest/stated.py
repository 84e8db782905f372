"""What an increment states besides new states: what each row is, and what was there before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import Collection, Field
from guotu.model.schema import arrow_type
from node.ingest.cast import FieldCaster
from node.ingest.columns import BEFORE, OPERATION
from node.ingest.kinds import FaultKind
from node.ingest.tally import Notes, as_mask

INSERT, UPDATE = 1, 2
_WORDS = {
    **dict.fromkeys(("insert", "i", "新增"), INSERT),
    **dict.fromkeys(("update", "u", "变更"), UPDATE),
}


class StatedColumns:
    """Casts the columns of a schema that state something: `_op`, and values before under the names of their fields."""

    def __init__(self, collection: Collection, columns: Sequence[str]) -> None:
        """`columns` are those that come; of them `OPERATION` and those that end in `BEFORE` are taken."""
        before = {f"{item.name}{BEFORE}": item for item in collection.fields if item.name != collection.key}
        self._operation = OPERATION in columns
        self._casters = [_caster(before[name], name, collection) for name in columns if name in before]
        names = [caster.field.name.removesuffix(BEFORE) for caster in self._casters]
        types = [arrow_type(caster.field) for caster in self._casters]
        operation = [pa.field(OPERATION, pa.int8())] if self._operation else []
        self.schema = pa.schema([*operation, *map(pa.field, names, types)])
        """`_op` (int8: 1 insert, 2 update, null not stated) and a column a stated field; all nullable, maybe none."""

    @property
    def names(self) -> frozenset[str]:
        """Names of the columns taken, as they come."""
        return frozenset([OPERATION] * self._operation + [caster.field.name for caster in self._casters])

    def cast(self, batch: pa.RecordBatch, notes: Notes) -> pa.RecordBatch:
        """Return what the rows state, with `schema`; what cannot be read is written down and null."""
        arrays = [caster.cast(batch.column(caster.field.name), notes) for caster in self._casters]
        operation = [_operations(batch.column(OPERATION), notes.about(OPERATION))] if self._operation else []
        return pa.RecordBatch.from_arrays([*operation, *arrays], schema=self.schema)


def stated_field(field: Field, name: str) -> Field:
    """Return a field for values that are only stated: they may be null, and stand in no code list."""
    return replace(field, name=name, nullable=True, codes="")


def _caster(field: Field, name: str, collection: Collection) -> FieldCaster:
    return FieldCaster(stated_field(field, name), collection)


def _operations(column: pa.Array, notes: Notes) -> pa.Array:
    """Return operations as int8, null where nothing is stated; words that mean neither are written down."""
    words = pc.utf8_lower(pc.utf8_trim_whitespace(column.cast(pa.string())))
    words = pc.if_else(pc.equal(words, ""), None, words)
    place = pc.index_in(words, pa.array(list(_WORDS)))
    notes.note(FaultKind.UNKNOWN_OPERATION, as_mask(words.is_valid()) & ~as_mask(place.is_valid()), column)
    return pa.array(list(_WORDS.values()), pa.int8()).take(place)
