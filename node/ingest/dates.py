"""Dates out of whatever a file keeps them in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from node.ingest.kinds import FaultKind
from node.ingest.tally import Notes, as_mask

_WRITTEN = r"^\s*(?P<year>\d{4})(?P<rest>[-/.年]\d{1,2}[-/.月]\d{1,2}日?|\d{4})(?:[T ][0-9:.+\-Z]*)?\s*$"
_CHINA_HOURS_MS = 8 * 3_600_000


def to_dates(column: pa.Array, notes: Notes) -> pa.Array:
    """Return date32 from dates, timestamps, ISO or 年月日 text and yyyymmdd text or numbers.

    A timestamp with a zone is taken by China's clock (UTC+8), so that midnight there is not the day before. The
    time of day is not kept.
    """
    kind = column.type
    if pa.types.is_date(kind):
        return column.cast(pa.date32())
    if pa.types.is_timestamp(kind):
        return _local(column).cast(pa.date32(), safe=False)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = column.cast(pa.float64(), safe=False)
        column = pc.if_else(pc.is_nan(numbers), None, column)
        whole = pc.if_else(pc.equal(pc.round(numbers), numbers), numbers, 0.0)
        return _from_text(whole.cast(pa.int64(), safe=False).cast(pa.string()), column, notes)
    if pa.types.is_string(kind):
        return _from_text(column, column, notes)
    notes.note(FaultKind.WRONG_TYPE, as_mask(column.is_valid()), column, "date")
    return pa.nulls(len(column), pa.date32())


def _local(column: pa.Array) -> pa.Array:
    if column.type.tz is None:
        return column
    clock = column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(pa.int64())
    return pc.add(clock, _CHINA_HOURS_MS).cast(pa.timestamp("ms"))


def _from_text(text: pa.Array, column: pa.Array, notes: Notes) -> pa.Array:
    parts = pc.extract_regex(text, _WRITTEN)
    found = as_mask(parts.is_valid())
    digits = pc.struct_field(parts, "rest")
    split = pc.extract_regex(digits, r"^[-/.年](?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?$")
    plain = pc.extract_regex(digits, r"^(?P<month>\d{2})(?P<day>\d{2})$")
    month, day = (_number(pc.coalesce(_part(split, name), _part(plain, name))) for name in ("month", "day"))
    year = _number(_part(parts, "year"))
    months = (year - 1970) * 12 + month - 1
    days = months.astype("M8[M]").astype("M8[D]") + (day - 1)
    # A day that the month does not have runs over into the next.
    real = found & (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("M8[M]").astype(np.int64) == months)
    notes.note(FaultKind.WRONG_TYPE, as_mask(column.is_valid()) & ~real, column, "date")
    return pa.array(days, pa.date32(), mask=~real)


def _part(parts: pa.Array, name: str) -> pa.Array:
    """Return a named group; null where the pattern did not match."""
    return pc.if_else(parts.is_valid(), pc.struct_field(parts, name), None)


def _number(digits: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(pc.fill_null(digits.cast(pa.int64()), 0), dtype=np.int64)
