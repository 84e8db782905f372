"""Examples below a command's help."""

from __future__ import annotations


def examples(*lines: str) -> str:
    """Return an epilog with one example a line, kept as they are (the first line tells click not to wrap)."""
    return "\n".join(["\b", "示例 examples:", *(f"  {line}" for line in lines)])
