"""A plain model of a feature store's versions: what each holds after a sequence of steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Contents = dict[str, int]
"""Rows of a version: which variant of a row each key has."""


@dataclass
class Version:
    """A readable version."""

    generation: int
    rows: Contents
    since: Contents
    """The version in which the row of each key came to be."""
    base: int
    changes: int
    """Of rows, since the base."""

    def recent(self) -> set[str]:
        """Return the keys whose rows a scan gives last."""
        return {key for key in self.rows if self.since[key] > self.base}


@dataclass
class Staged:
    """A staged base, or a staged change (None: the key goes)."""

    rows: Mapping[str, int | None]
    is_change: bool
    rebase: bool = False


@dataclass
class VersionModel:
    """Steps that the port describes; each tells whether the store may do it."""

    readable: dict[int, Version] = field(default_factory=dict)
    staged: dict[int, Staged] = field(default_factory=dict)
    _generations: int = 0

    def stage(self, version: int, rows: Contents) -> int:
        """Stage a base; returns its rows."""
        self.staged[version] = Staged(dict(rows), False)
        return len(rows)

    def stage_change(self, version: int, changes: Mapping[str, int | None], rebase: bool = False) -> int | None:
        """Stage a change; returns the rows of the version, None if there is nothing to change."""
        if version - 1 not in self.readable:
            return None
        self.staged[version] = Staged(dict(changes), True, rebase)
        return len(changed(self.readable[version - 1].rows, changes))

    def activate(self, version: int) -> bool:
        """Make a staged version readable; tells whether it is."""
        staged = self.staged.pop(version, None)
        if staged is None:
            return version in self.readable
        if staged.is_change:
            before = self.readable[version - 1]
            others = [number for number in self._of(before.generation) if number != version]
            generation = before.generation if max(others) == version - 1 else self._begin()
            self.readable[version] = next_version(before, version, staged, generation)
        else:
            since = dict.fromkeys(staged.rows, version)
            self.readable[version] = Version(self._begin(), {**changed({}, staged.rows)}, since, version, 0)
        self._drop_next_change(version)
        return True

    def drop(self, version: int) -> None:
        """Drop a version, staged or readable."""
        self.staged.pop(version, None)
        if self.readable.pop(version, None):
            self._drop_next_change(version)

    def mend(self, right: Mapping[str, tuple[int | None, int | None]]) -> int | None:
        """Put rows of the newest version right: variant and version by key; returns that version, None without."""
        if not self.readable:
            return None
        newest = max(self.readable)
        for number in self._of(self.readable[newest].generation):
            since = {key: newest if came is None else min(came, newest) for key, (_, came) in right.items()}
            valid = {key: variant for key, (variant, _) in right.items() if since[key] <= number}
            self.readable[number].rows = changed(self.readable[number].rows, valid)
            self.readable[number].since |= {key: since[key] for key in valid}
        return newest

    def _of(self, generation: int) -> list[int]:
        return [number for number, version in self.readable.items() if version.generation == generation]

    def _begin(self) -> int:
        self._generations += 1
        return self._generations

    def _drop_next_change(self, version: int) -> None:
        following = self.staged.get(version + 1)
        if following and following.is_change:
            del self.staged[version + 1]


def next_version(before: Version, version: int, staged: Staged, generation: int) -> Version:
    """Return what a change makes of the version before."""
    rows, since = changed(before.rows, staged.rows), before.since | dict.fromkeys(staged.rows, version)
    changes = before.changes + len(staged.rows)
    own = staged.rebase or changes * 20 > len(rows)
    return Version(generation, rows, since, version if own else before.base, 0 if own else changes)


def changed(rows: Mapping[str, int], changes: Mapping[str, int | None]) -> Contents:
    """Apply changes."""
    table: dict[str, int | None] = {**rows, **changes}
    return {key: variant for key, variant in table.items() if variant is not None}
