"""Findings of many batches, counted and grouped by what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from node.ingest.kinds import FaultKind
from node.ingest.report import Fault

Mask = NDArray[np.bool_]

EXAMPLES = 5
"""Keys and values that a finding shows."""
_LONGEST = 60


class RowNames:
    """How the rows of one batch are called in reports: by key, or by number where the key is null."""

    def __init__(self, keys: pa.Array | None, first_row: int) -> None:
        self._keys = keys
        self.first_row = first_row

    def of(self, row: int) -> str:
        """Return the name of the row with that index in the batch."""
        key = None if self._keys is None else self._keys[row].as_py()
        return f"#{self.first_row + row + 1}" if key is None else shorten(key)

    def first(self, mask: Mask, most: int) -> list[str]:
        """Return the names of the first rows of a mask, at most `most`."""
        return [self.of(int(row)) for row in np.flatnonzero(mask)[:most]]


@dataclass(slots=True)
class _Entry:
    count: int = 0
    keys: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)


class Tally:
    """Counts findings by (kind, field, detail) and keeps the first keys and values of each."""

    def __init__(self) -> None:
        self._entries: dict[tuple[FaultKind, str, str], _Entry] = {}

    def add(
        self,
        kind: FaultKind,
        name: str = "",
        detail: str = "",
        *,
        count: int = 0,
        keys: Sequence[str] = (),
        values: Sequence[str] = (),
    ) -> None:
        """Count `count` more rows of a finding; keys and values beyond the first few are dropped."""
        entry = self._entries.setdefault((kind, name, detail), _Entry())
        entry.count += count
        entry.keys.extend(keys[: EXAMPLES - len(entry.keys)])
        fresh = [value for value in dict.fromkeys(values) if value not in entry.values]
        entry.values.extend(fresh[: EXAMPLES - len(entry.values)])

    def has_faults(self, allowed: frozenset[FaultKind]) -> bool:
        """Tell whether anything was found that is neither a notice nor allowed."""
        return any(not kind.is_notice and kind not in allowed for kind, _, _ in self._entries)

    def findings(self) -> list[Fault]:
        """Return what was found so far, not sorted."""
        return [
            Fault(kind, name, entry.count, tuple(entry.keys), detail, tuple(entry.values))
            for (kind, name, detail), entry in self._entries.items()
        ]


@dataclass(frozen=True, slots=True)
class Notes:
    """Where the checks of one column of one batch write down what they find."""

    tally: Tally
    names: RowNames
    field: str = ""

    def note(self, kind: FaultKind, mask: Mask, values: pa.Array | None = None, detail: str = "") -> None:
        """Write down the rows of `mask`; `values` is the whole column that their values are shown from."""
        count = int(np.count_nonzero(mask))
        if not count:
            return
        shown = [] if values is None else _distinct(values, mask)
        self.tally.add(kind, self.field, detail, count=count, keys=self.names.first(mask, EXAMPLES), values=shown)

    def about(self, name: str) -> Notes:
        """Return the notes of another column of the same batch."""
        return Notes(self.tally, self.names, name)


def as_mask(values: pa.Array | pa.ChunkedArray) -> Mask:
    """Return an Arrow boolean array as a numpy mask; null is False."""
    known = pc.fill_null(values, False) if values.null_count else values
    mask: Mask = np.asarray(known.to_numpy(zero_copy_only=False), dtype=np.bool_)
    return mask


def shorten(value: object) -> str:
    """Return a value as text for a report, at most 60 characters."""
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _distinct(values: pa.Array, mask: Mask) -> list[str]:
    some = values.filter(pa.array(mask))[:1000]
    return list(dict.fromkeys(shorten(value) for value in some.to_pylist()))[:EXAMPLES]
