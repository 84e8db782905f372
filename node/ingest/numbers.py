"""Numbers out of whatever a file keeps them in, and the rules for decimals."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from guotu.model.collection import Field
from node.ingest.kinds import FaultKind
from node.ingest.tally import Mask, Notes, as_mask

Floats = NDArray[np.float64]

_WHOLE = r"^[+-]?\d{1,18}$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# Beyond this a double no longer tells one whole number from the next.
_LARGEST_INT = 2.0**53
# Noise of arithmetic on doubles, in units in the last place, and in the last declared decimal.
_NOISE_ULPS, _NOISE_SHARE = 16, 1e-6
# Single precision tells a declared decimal only where its own step is well below it.
_SINGLE_STEP_SHARE = 0.1


def to_integers(column: pa.Array, notes: Notes) -> pa.Array:
    """Return int64; text that is no number, fractions and infinities are written down and become null."""
    if pa.types.is_integer(column.type):
        whole = column.cast(pa.int64(), safe=False)
        over = as_mask(pc.less(whole, 0)) if pa.types.is_uint64(column.type) else np.zeros(len(column), np.bool_)
        notes.note(FaultKind.WRONG_TYPE, over, column, "integer")
        return _nulled(whole, over)
    if pa.types.is_string(column.type):
        exact = pc.match_substring_regex(column, _WHOLE)
        whole = _parsed(column, exact).cast(pa.int64())
        others = pc.if_else(exact, None, column)
        return pc.coalesce(whole, _rounded(to_floats(others, notes, "integer"), column, notes))
    return _rounded(to_floats(column, notes, "integer"), column, notes)


def to_floats(column: pa.Array, notes: Notes, wanted: str = "number") -> pa.Array:
    """Return float64; what is no finite number is written down and becomes null, NaN becomes null."""
    values = _as_floats(column)
    if values is None:
        notes.note(FaultKind.WRONG_TYPE, as_mask(column.is_valid()), column, wanted)
        return pa.nulls(len(column), pa.float64())
    values = pc.if_else(pc.fill_null(pc.is_nan(values), False), None, values)
    lost = as_mask(column.is_valid()) & ~as_mask(pc.is_finite(values)) & ~_is_nan(column)
    notes.note(FaultKind.WRONG_TYPE, lost, column, wanted)
    return _nulled(values, lost)


def to_decimals(column: pa.Array, field: Field, notes: Notes) -> pa.Array:
    """Return float64 rounded to the field's decimals; what does not fit is written down.

    More decimals than declared are tolerated as far as they are noise of double arithmetic, or of single precision
    where that still tells the declared decimals.
    """
    values = to_floats(column, notes)
    numbers = np.asarray(pc.fill_null(values, 0.0))
    rounded = np.round(numbers, field.decimals)
    shape = f"{field.width},{field.decimals}"
    notes.note(FaultKind.DECIMAL_PLACES, ~_is_noise(numbers, rounded, field.decimals), column, shape)
    wide = np.abs(rounded) >= 10.0 ** (field.width - field.decimals)
    notes.note(FaultKind.DECIMAL_WIDTH, wide, column, shape)
    return pa.array(rounded + 0.0, pa.float64(), mask=~as_mask(values.is_valid()))


def _is_noise(numbers: Floats, rounded: Floats, decimals: int) -> Mask:
    unit = 10.0**-decimals
    distance = np.abs(numbers - rounded)
    double: Mask = distance <= _NOISE_ULPS * np.spacing(np.abs(numbers)) + _NOISE_SHARE * unit
    with np.errstate(over="ignore"):
        single = rounded.astype(np.float32)
    step = np.spacing(np.abs(single)).astype(np.float64)
    same = np.abs(numbers - single.astype(np.float64)) <= 1e-9 * np.abs(numbers)
    return double | (same & (step <= _SINGLE_STEP_SHARE * unit))


def _as_floats(column: pa.Array) -> pa.Array | None:
    """Return float64, null where text is no number; None for types that are not numbers at all."""
    if pa.types.is_string(column.type):
        return _parsed(column, pc.match_substring_regex(pc.utf8_trim_whitespace(column), _NUMBER)).cast(pa.float64())
    kind = column.type
    if pa.types.is_null(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64(), safe=False)
    return None


def _parsed(column: pa.Array, good: pa.Array) -> pa.Array:
    """Return trimmed text without plus sign where it is a number, null elsewhere."""
    return pc.if_else(good, pc.utf8_ltrim(pc.utf8_trim_whitespace(column), "+"), None)


def _rounded(values: pa.Array, column: pa.Array, notes: Notes) -> pa.Array:
    numbers = np.asarray(pc.fill_null(values, 0.0))
    broken = np.rint(numbers) != numbers
    notes.note(FaultKind.FRACTION, broken, column)
    over = np.abs(numbers) >= _LARGEST_INT
    notes.note(FaultKind.WRONG_TYPE, over, column, "integer")
    bad = broken | over
    whole = np.where(bad, 0.0, numbers).astype(np.int64)
    return pa.array(whole, pa.int64(), mask=bad | ~as_mask(values.is_valid()))


def _nulled(values: pa.Array, mask: Mask) -> pa.Array:
    return pc.if_else(pa.array(mask), None, values) if mask.any() else values


def _is_nan(column: pa.Array) -> Mask:
    if not pa.types.is_floating(column.type):
        return np.zeros(len(column), dtype=np.bool_)
    return as_mask(pc.is_nan(column))
