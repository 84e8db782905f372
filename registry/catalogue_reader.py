"""Reads typed members of catalogue tables and collects what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


class Faults:
    """Faults in the order they were found, one line each."""

    def __init__(self) -> None:
        self.found: list[str] = []


class Reader:
    """One table of a catalogue file. A member that is wrong is noted and read as something harmless."""

    def __init__(self, where: str, members: Mapping[str, Any], faults: Faults, within: str = "") -> None:
        """Take what the table is called in faults, and what its own tables are said to be within."""
        self._where = where
        self._members = members
        self._faults = faults
        self._within = within
        self._read: set[str] = set()

    def fault(self, member: str, what: str) -> None:
        """Note a fault of a member."""
        self._faults.found.append(f"{self._where}：{member}：{what}")

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; one without a default must be there and not be empty."""
        value = self._typed(name, str, "文本 a text", default if default is not None else "")
        if default is None and not value.strip() and name not in self._wrong(name, str):
            self.fault(name, "缺少 is missing")
        return value

    def matching(self, name: str, pattern: re.Pattern[str]) -> str:
        """Return a text that has to match a pattern."""
        value = self.text(name)
        if value.strip() and pattern.fullmatch(value) is None:
            self.fault(name, f"{value!r} 不合规则 does not match {pattern.pattern}")
        return value

    def number(self, name: str) -> int:
        """Return a whole number that is not negative, 0 if it is not there."""
        value = self._typed(name, int, "整数 a whole number", 0)
        if value < 0:
            self.fault(name, "不能为负 must not be negative")
        return max(value, 0)

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false."""
        return self._typed(name, bool, "true 或 false true or false", default)

    def choice(self, name: str, kind: type[E], default: E | None = None) -> E:
        """Return one of an enumeration."""
        first = next(iter(kind))
        value = self.text(name, default)
        if value in set(kind):
            return kind(value)
        if value:
            self.fault(name, f"{value!r} 不在其列 is none of: {', '.join(kind)}")
        return first

    def texts(self, name: str) -> dict[str, str]:
        """Return a table whose members are all texts."""
        members: dict[str, Any] = self._typed(name, dict, "表 a table", {})
        for key, value in members.items():
            if not isinstance(value, str) or not key:
                self.fault(name, f"{key!r} 须为文本 must name a text")
        return {key: value for key, value in members.items() if isinstance(value, str)}

    def tables(self, name: str, label: str, kind: str) -> list[Reader]:
        """Return readers of an array of tables; the member `label` of each tells them apart in faults."""
        items: list[Any] = self._typed(name, list, "表的数组 an array of tables", [])
        readers = []
        for place, item in enumerate(items, 1):
            where = f"{self._within}{kind} {_label(item, label) or f'#{place}'}"
            if isinstance(item, Mapping):
                readers.append(Reader(where, item, self._faults, f"{where}，"))
            else:
                self._faults.found.append(f"{where}：须为表 must be a table")
        return readers

    def finish(self) -> None:
        """Note all members that were not read: misspelt ones would otherwise be lost in silence."""
        for name in self._members:
            if name not in self._read:
                self.fault(name, "不认识此项 is not known")

    def _typed(self, name: str, kind: Callable[..., T], called: str, default: T) -> T:
        self._read.add(name)
        value = self._members.get(name, default)
        if type(value) is kind or value is default:
            return value  # type: ignore[no-any-return]
        self.fault(name, f"须为{called.split(' ')[0]} must be {called.split(' ', 1)[1]}")
        return default

    def _wrong(self, name: str, kind: type) -> tuple[str, ...]:
        """Return the name if the member is there with a wrong type, which has been noted."""
        return (name,) if name in self._members and type(self._members[name]) is not kind else ()


def _label(item: object, label: str) -> str:
    """Return the member that names a table; empty if there is none."""
    name = item.get(label) if isinstance(item, Mapping) else None
    return name if isinstance(name, str) else ""
