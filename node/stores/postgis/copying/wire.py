"""What PostgreSQL's binary COPY looks like: https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format"."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
"""Signature, flags, length of the header's extension."""
TRAILER = b"\xff\xff"
"""Stands in the place of a row's count of fields after the last row."""
DAYS_TO_2000 = 10957
"""Days from 1970-01-01, where Arrow counts from, to 2000-01-01, where PostgreSQL does."""
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")


@dataclass(frozen=True, slots=True)
class Numeric:
    """A column of type numeric(width, decimals)."""

    width: int
    decimals: int

    @property
    def whole_groups(self) -> int:
        """Return how many groups of four digits stand before the point."""
        return -(-(self.width - self.decimals) // 4)

    @property
    def part_groups(self) -> int:
        """Return how many groups of four digits stand after the point."""
        return -(-self.decimals // 4)


def numeric_of(kind: str) -> Numeric | None:
    """Return what a column's type tells of a numeric; None for any other type."""
    found = _NUMERIC.fullmatch(kind)
    return None if found is None else Numeric(int(found[1]), int(found[2]))


FIXED = {pa.int64(): (">i8", 8), pa.float64(): (">f8", 8), pa.date32(): (">i4", 4), pa.bool_(): ("u1", 1)}
"""How values of an Arrow type travel that are all of one length: as numpy says it, and bytes."""
