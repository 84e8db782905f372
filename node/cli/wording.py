"""How values are written for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guotu.model.records import Extent


def when(milliseconds: int) -> str:
    """Return a time of milliseconds since 1970-01-01 UTC in this machine's zone; empty for 0."""
    if not milliseconds:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def count(number: int) -> str:
    """Return a whole number with separators of thousands."""
    return f"{number:,}"


def size(octets: int) -> str:
    """Return a number of bytes in KiB or MiB."""
    return f"{octets / 1024:,.0f} KiB" if octets < 1 << 20 else f"{octets / (1 << 20):,.1f} MiB"


def extent(box: Extent | None) -> str:
    """Return a rectangle in degrees with four decimals (about 10 m)."""
    return "" if box is None else f"{box.xmin:.4f},{box.ymin:.4f},{box.xmax:.4f},{box.ymax:.4f}"


def lag(versions: int, milliseconds: int) -> str:
    """Return how far something is behind, in versions and time; empty if it is not."""
    return f"{versions} 版 versions, {duration(milliseconds)}" if versions else ""


def duration(milliseconds: int) -> str:
    """Return a span of time in its two greatest units."""
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
