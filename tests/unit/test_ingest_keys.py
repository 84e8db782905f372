from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.ingest import keys
from node.ingest.keys import KeyLedger, hash_texts

SHORT = st.lists(st.text(max_size=3) | st.sampled_from(["", "a", "b", "ab", "水田"]), max_size=60)


def repeated(values: list[str | None], batch: int = 7, rows_per_part: int = 10) -> tuple[int, list[str]]:
    with KeyLedger(rows_per_part=rows_per_part) as ledger:
        for start in range(0, len(values), batch):
            ledger.add(pa.array(values[start : start + batch], pa.string()))
        return ledger.repeated()


def oracle(values: list[str | None]) -> tuple[int, list[str]]:
    counts = Counter(value for value in values if value is not None)
    return sum(count - 1 for count in counts.values()), [key for key, count in counts.items() if count > 1][:5]


@settings(deadline=None)
@given(SHORT, st.integers(1, 20), st.integers(1, 30))
def test_repeated_keys_are_those_counted(values: list[str | None], batch: int, part: int):
    assert repeated(values, batch, part) == oracle(values)


@settings(deadline=None)
@given(SHORT)
def test_agreeing_hashes_do_not_make_keys_repeated(values: list[str | None]):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "hash_texts", lambda texts: np.full(len(texts), 42, dtype=np.uint64))
        assert repeated(values) == oracle(values)


def test_null_never_repeats():
    assert repeated([None, "a", None, "b", None]) == (0, [])


def test_nothing_came():
    assert repeated([]) == (0, [])


def test_groups_are_merged_when_there_are_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keys, "_GROUPS_BEFORE_MERGE", 3)
    values = [f"k{number % 20}" for number in range(100)]
    assert repeated(values) == oracle(values)


@settings(deadline=None)
@given(SHORT, st.integers(0, 5))
def test_a_hash_depends_on_the_text_alone(values: list[str], skip: int):
    whole = hash_texts(pa.array(values, pa.string()))
    assert (hash_texts(pa.array(values, pa.string())[skip:]) == whole[skip:]).all()
    by_text = dict(zip(values, whole, strict=True))
    assert all(by_text[value] == each for value, each in zip(values, whole, strict=True))
    assert len(set(map(int, by_text.values()))) == len(by_text)


def test_numbered_keys_spread_over_the_hashes():
    hashes = hash_texts(pa.array([f"5101042110{number:08d}" for number in range(200_000)]))
    assert len(np.unique(hashes)) == 200_000
    parts = np.bincount((hashes % np.uint64(7)).astype(int), minlength=7)
    assert parts.max() < 1.05 * parts.mean()
