"""Checking the mesh's answers against the files: every difference is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, TypeVar

import pyarrow as pa

from demo.source_data import NOTHING, Total

_SHOWN = 20
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison; it passed if nothing differs."""

    name: str
    title: str
    compared: int
    """How many values were compared."""
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Tell whether nothing differs (and something was compared)."""
        return not self.differences and self.compared > 0

    def document(self) -> dict[str, Any]:
        """Return its entry in the report."""
        return {**asdict(self), "differences": list(self.differences), "passed": self.passed}


def totals_of(answer: pa.Table, *group: str, area: str = "sum_area_m2") -> dict[Any, Total]:
    """Return the totals in an answer with the column `count` and one of areas, by its group columns.

    The key is the value of a single group column, else the tuple of all.
    """
    columns = [answer[name].to_pylist() for name in group]
    keys = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    values = zip(answer["count"].to_pylist(), answer[area].to_pylist(), strict=True)
    return {key: Total(count, Decimal(size)) for key, (count, size) in zip(keys, values, strict=True)}


def compare_totals(name: str, title: str, expected: Mapping[Key, Total], found: Mapping[Key, Total]) -> Check:
    """Compare the count of every group, and its area in hectares to the last of two decimals."""
    differences = []
    for key in sorted({*expected, *found}, key=str):
        wanted, got = expected.get(key, NOTHING), found.get(key, NOTHING)
        if wanted.count != got.count:
            differences.append(f"{key}: 图斑 patches {wanted.count} ≠ {got.count}")
        if wanted.hectares != got.hectares:
            differences.append(f"{key}: 公顷 ha {wanted.hectares:f} ≠ {got.hectares:f}")
    return Check(name, title, len(expected), _some(differences))


def compare_sets(name: str, title: str, expected: Iterable[str], found: Sequence[str]) -> Check:
    """Compare which keys an answer has, each of them once, in whatever order."""
    wanted, got = set(expected), set(found)
    differences = [f"缺少 missing {key}" for key in sorted(wanted - got)]
    differences += [f"多余 not expected {key}" for key in sorted(got - wanted)]
    if len(found) != len(got):
        differences.append(f"重复 repeated: {len(found) - len(got)}")
    return Check(name, title, len(wanted), _some(differences))


def compare_sequences(name: str, title: str, expected: Sequence[str], found: Sequence[str]) -> Check:
    """Compare which keys an answer has, and their order."""
    differences = [
        f"第 {place} 位 place {place}: {wanted} ≠ {got}"
        for place, (wanted, got) in enumerate(zip(expected, found, strict=False), 1)
        if wanted != got
    ]
    if len(expected) != len(found):
        differences.append(f"行数 rows {len(expected)} ≠ {len(found)}")
    return Check(name, title, len(expected), _some(differences))


def compare_values(name: str, title: str, expected: Mapping[str, object], found: Mapping[str, object]) -> Check:
    """Compare named values for equality."""
    keys = sorted({*expected, *found})
    differences = [
        f"{key}: {expected.get(key)} ≠ {found.get(key)}" for key in keys if expected.get(key) != found.get(key)
    ]
    return Check(name, title, len(expected), _some(differences))


def summed(totals: Mapping[tuple[str, Key], Total]) -> dict[Key, Total]:
    """Return the totals over the first part of their keys."""
    result: dict[Key, Total] = {}
    for (_, key), total in totals.items():
        result[key] = result.get(key, NOTHING) + total
    return result


def _some(differences: Sequence[str]) -> tuple[str, ...]:
    more = len(differences) - _SHOWN
    return (*differences[:_SHOWN], f"… +{more}") if more > 0 else tuple(differences)
