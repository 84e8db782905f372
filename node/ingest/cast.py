"""One column of a file into one field of a collection: type, length, width, codes, nulls."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import Collection, Field, FieldType
from node.ingest.dates import to_dates
from node.ingest.encoding import is_double_decoded
from node.ingest.kinds import FaultKind
from node.ingest.numbers import to_decimals, to_floats, to_integers
from node.ingest.tally import Notes, as_mask

# U+FFFD, UTF-8's own mojibake of it, and GBK read as Latin-1 (two or more pairs of such letters in a row).
_GARBLED = r"\x{FFFD}|锟斤拷|(?:[\x{B0}-\x{F7}][\x{A1}-\x{FE}]){2}"
_SAMPLE = 200
_LARGEST_EXACT = 2.0**53
_TRUTHS = {
    **dict.fromkeys(("true", "t", "1", "1.0", "yes", "y", "是"), True),
    **dict.fromkeys(("false", "f", "0", "0.0", "no", "n", "否"), False),
}


class FieldCaster:
    """Casts the batches of one column and checks its values against its field."""

    def __init__(self, field: Field, collection: Collection) -> None:
        self.field = field
        self._is_key = field.name == collection.key
        codes = collection.code_lists[field.codes].codes if field.codes else {}
        self._codes = self._as_values(list(codes))
        self._checked_encoding = False

    def cast(self, column: pa.Array, notes: Notes) -> pa.Array:
        """Return the column in the field's Arrow type; what does not fit is written down."""
        notes = notes.about(self.field.name)
        column = self._without_blanks(_plain(column), notes)
        values = self._converted(column, notes)
        empty = FaultKind.KEY_NULL if self._is_key else FaultKind.NULL_VALUE
        if self._is_key or not self.field.nullable:
            notes.note(empty, ~as_mask(column.is_valid()) | _is_not_a_number(column))
        if len(self._codes):
            strange = as_mask(values.is_valid()) & ~as_mask(pc.is_in(values, self._codes))
            notes.note(FaultKind.UNKNOWN_CODE, strange, values, self.field.codes)
        return values

    def _converted(self, column: pa.Array, notes: Notes) -> pa.Array:
        match self.field.type:
            case FieldType.TEXT:
                return self._to_text(column, notes)
            case FieldType.INTEGER:
                return to_integers(column, notes)
            case FieldType.DECIMAL:
                return to_decimals(column, self.field, notes)
            case FieldType.DOUBLE:
                return to_floats(column, notes)
            case FieldType.DATE:
                return to_dates(column, notes)
            case FieldType.BOOLEAN:
                return _to_booleans(column, notes)

    def _as_values(self, codes: list[str]) -> pa.Array:
        if self.field.type is FieldType.INTEGER:
            return pa.array([int(code) for code in codes], pa.int64())
        return pa.array(codes, pa.string())

    def _without_blanks(self, column: pa.Array, notes: Notes) -> pa.Array:
        """Make null of text that is empty or white space: files that cannot keep a null write it so."""
        if not pa.types.is_string(column.type):
            return column
        blank = as_mask(pc.or_(pc.equal(pc.binary_length(column), 0), pc.utf8_is_space(column)))
        if not blank.any():
            return column
        if not self._is_key and self.field.nullable:
            notes.note(FaultKind.NOTICE_BLANK_AS_NULL, blank)
        return pc.if_else(pa.array(blank), None, column)

    def _to_text(self, column: pa.Array, notes: Notes) -> pa.Array:
        text = _written(column, notes)
        long = as_mask(pc.greater(pc.utf8_length(text), self.field.length))
        notes.note(FaultKind.TEXT_LENGTH, long, text, str(self.field.length))
        if not pc.all(pc.string_is_ascii(text)).as_py():
            notes.note(FaultKind.GARBLED_TEXT, as_mask(pc.match_substring_regex(text, _GARBLED)), text)
            self._look_for_double_decoding(text, notes)
        return text

    def _look_for_double_decoding(self, text: pa.Array, notes: Notes) -> None:
        """Once a column: text that was garbled before it got into the file shows no U+FFFD."""
        if self._checked_encoding:
            return
        self._checked_encoding = True
        foreign = text.filter(pc.invert(pc.fill_null(pc.string_is_ascii(text), True)))[:_SAMPLE]
        if is_double_decoded(list(dict.fromkeys(foreign.to_pylist()))):
            notes.note(FaultKind.GARBLED_TEXT, ~as_mask(pc.fill_null(pc.string_is_ascii(text), True)), text)


def _written(column: pa.Array, notes: Notes) -> pa.Array:
    """Return text; whole numbers give their digits, other types do not fit."""
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_null(column.type) or pa.types.is_integer(column.type):
        return column.cast(pa.string())
    valid = as_mask(column.is_valid()) & ~_is_not_a_number(column)
    if pa.types.is_floating(column.type):
        numbers = np.nan_to_num(np.asarray(pc.fill_null(column, 0.0), dtype=np.float64))
        whole = (np.rint(numbers) == numbers) & (np.abs(numbers) < _LARGEST_EXACT)
        notes.note(FaultKind.WRONG_TYPE, valid & ~whole, column, "text")
        digits = np.where(whole, numbers, 0).astype(np.int64)
        return pa.array(digits, pa.int64(), mask=~(valid & whole)).cast(pa.string())
    notes.note(FaultKind.WRONG_TYPE, valid, column, "text")
    return pa.nulls(len(column), pa.string())


def _to_booleans(column: pa.Array, notes: Notes) -> pa.Array:
    if pa.types.is_boolean(column.type):
        return column
    text = _written(column, notes)
    words = pc.utf8_lower(pc.utf8_trim_whitespace(text))
    true, false = (
        pc.is_in(words, pa.array([word for word, truth in _TRUTHS.items() if truth is wanted]))
        for wanted in (True, False)
    )
    lost = as_mask(text.is_valid()) & ~as_mask(pc.or_(true, false))
    notes.note(FaultKind.WRONG_TYPE, lost, column, "boolean")
    return pc.if_else(pc.or_(true, false), true, None)


def _plain(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column


def _is_not_a_number(column: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if not pa.types.is_floating(column.type):
        return np.zeros(len(column), dtype=np.bool_)
    return as_mask(pc.is_nan(column))
