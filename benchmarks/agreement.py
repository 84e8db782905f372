"""Whether two answers are the same rows, whatever their order."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa


class Disagreement(AssertionError):
    """Two answers to one question differ; nothing is worth measuring then."""


def require_same(name: str, found: pa.Table, expected: pa.Table, key: Sequence[str]) -> int:
    """Compare two answers row by row after sorting both by `key`, values exactly; return the rows.

    Raises:
        Disagreement: columns, rows or a value differ.
    """
    if found.column_names != expected.column_names:
        raise Disagreement(f"{name}: columns {found.column_names}, expected {expected.column_names}")
    if len(found) != len(expected):
        raise Disagreement(f"{name}: {len(found)} rows, expected {len(expected)}")
    found, expected = _sorted(found, key), _sorted(expected, key)
    for column in expected.column_names:
        if not _values(found[column]).equals(_values(expected[column]).cast(_plain(found[column].type))):
            raise Disagreement(f"{name}: column {column} differs")
    return len(found)


def _sorted(table: pa.Table, key: Sequence[str]) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in key]) if key else table


def _values(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return array.storage if isinstance(array.type, pa.BaseExtensionType) else array


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
