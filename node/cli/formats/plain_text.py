"""Arrow values as plain text, whole columns at a time, every digit kept."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def plain_texts(column: pa.Array) -> pa.StringArray:
    """Return each number, date, truth value or text as text; null stays null, and NaN and infinity become null.

    Numbers read back as the same double; they stand without an exponent up to 10^16, which Arrow has from 10^10 on.
    """
    if not pa.types.is_floating(column.type):
        return column.cast(pa.string())
    finite = pc.if_else(pc.is_finite(column), column, None)
    texts = finite.cast(pa.string())
    exponents = pc.fill_null(pc.match_substring(texts, "e"), False)
    if not pc.any(exponents).as_py():
        return texts
    numbers = pa.array(list(map(repr, finite.filter(exponents).to_pylist())), pa.string())
    return pc.replace_with_mask(texts, exponents, numbers)
