"""What reading a statement that is none of ours may end in."""

from __future__ import annotations

import pyarrow as pa

SENSELESS = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    OSError,
    StopIteration,
    pa.ArrowException,
)
"""Kinds of exceptions."""
