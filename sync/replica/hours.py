"""Hours: the parts of the day in which bytes may be fetched."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time

from guotu.model.errors import InvalidQuestion

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Hours:
    """Windows of local time, each from its first minute to before its last; one may go over midnight."""

    windows: tuple[tuple[time, time], ...] = ()
    """None: always."""

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Read "HH:MM-HH:MM", several joined by ","; empty for always.

        Raises:
            InvalidQuestion: it is not that, or a window is empty.
        """
        parts = [part.strip() for part in text.split(",")] if text.strip() else []
        return cls(tuple(_window(part) for part in parts))

    def open_at(self, moment: datetime) -> bool:
        """Tell whether bytes may be fetched at a moment of local time."""
        return not self.windows or any(_within(moment.time(), *window) for window in self.windows)


def _window(text: str) -> tuple[time, time]:
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise InvalidQuestion(part="schedule", detail=f"{text!r} 应为 HH:MM-HH:MM must be HH:MM-HH:MM")
    hour, minute, last_hour, last_minute = map(int, found.groups())
    start, end = time(hour, minute), time(last_hour, last_minute)
    if start == end:
        raise InvalidQuestion(part="schedule", detail=f"{text!r} 时段为空 is an empty window")
    return start, end


def _within(moment: time, start: time, end: time) -> bool:
    return start <= moment < end if start < end else moment >= start or moment < end
