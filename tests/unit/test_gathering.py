"""Groups that do not fit into memory: added up, in order and the same to the bit, however they came."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.digest import SegmentDigest
from guotu.model.errors import DiskFull, TooLarge
from guotu.model.overlay import AREA_TYPE, areas_of
from guotu.overlays import blocks, gathering
from guotu.overlays.blocks import Blocks
from guotu.overlays.gathering import Gathering, Run, merged
from tests.support.small_disk import SmallDisk

SCHEMA = pa.schema(
    [
        pa.field("zone_BSM", pa.string()),
        pa.field("share", pa.float64()),
        pa.field("year", pa.int32()),
        pa.field("count", pa.int64()),
        pa.field("area_m2", AREA_TYPE),
    ]
)
PLAIN = pa.schema([SCHEMA.field(0), *list(SCHEMA)[-2:]])
MIB = 1 << 20
_KEYS = st.tuples(
    st.none() | st.sampled_from(["", "a", "ab", "é", "图", "\U0001f5fa", "\uffff"]),
    st.none() | st.sampled_from([0.0, -0.0, 1.5, math.inf, -math.inf, math.nan]),
    st.none() | st.integers(-2, 2),
)
_ROWS = st.lists(st.tuples(_KEYS, st.integers(1, 10**6)), max_size=60)
Parts = list[list[tuple[tuple[Any, ...], int]]]


def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hardly anything fit."""
    monkeypatch.setattr(gathering, "_MOST_ROWS", 8)
    monkeypatch.setattr(gathering, "_BLOCK_ROWS", 3)
    monkeypatch.setattr(gathering, "_BATCH_ROWS", 5)
    monkeypatch.setattr(blocks, "_MEMORY_BYTES", 2000)


def table(rows: list[tuple[tuple[Any, ...], int]]) -> pa.Table:
    columns = list(zip(*(key for key, _ in rows), strict=True)) if rows else [()] * 3
    units = [units for _, units in rows]
    areas = [Decimal(number) / 10_000 for number in units]
    return pa.Table.from_arrays(
        [pa.array(values, field.type) for values, field in zip([*columns, units, areas], SCHEMA, strict=True)],
        schema=SCHEMA,
    )


def digest_of(batches: Iterator[pa.RecordBatch]) -> tuple[int, bytes]:
    digest = SegmentDigest(SCHEMA)
    for batch in batches:
        digest.update(batch)
    return digest.rows, digest.digest()


def order(key: tuple[Any, ...]) -> tuple[tuple[int, Any], ...]:
    return tuple(
        (2, 0) if value is None else (1, 0) if isinstance(value, float) and math.isnan(value) else (0, value)
        for value in key
    )


def expected(parts: Parts) -> dict[tuple[tuple[int, Any], ...], tuple[int, Decimal]]:
    sums: dict[tuple[tuple[int, Any], ...], int] = {}
    for key, units in (row for part in parts for row in part):
        sums[order(key)] = sums.get(order(key), 0) + units
    return {key: (sums[key], Decimal(sums[key]) / 10_000) for key in sorted(sums)}


def found(batches: Iterator[pa.RecordBatch]) -> dict[tuple[tuple[int, Any], ...], tuple[int, Decimal]]:
    rows = [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
    told = {order(row[:3]): (row[3], row[4]) for row in rows}
    assert len(told) == len(rows), "a group comes once"
    assert list(told) == sorted(told)
    return told


@settings(max_examples=20, deadline=None)
@given(parts=st.lists(_ROWS, max_size=8))
def test_groups_are_the_same_to_the_bit_however_they_came(parts: Parts) -> None:
    with pytest.MonkeyPatch.context() as patch, closing(Gathering(SCHEMA, None, "")) as whole:
        for part in parts:
            whole.add(table(part))
        at_once = digest_of(whole.batches())
        narrow(patch)
        for order_of_parts in (parts, parts[::-1]):
            with closing(Gathering(SCHEMA, None, "")) as groups:
                for part in order_of_parts:
                    groups.add(table(part))
                batches = list(groups.batches())
            assert found(iter(batches)) == expected(parts)
            assert digest_of(iter(batches)) == at_once


@settings(max_examples=15, deadline=None)
@given(parts=st.lists(_ROWS, max_size=5))
def test_runs_of_members_are_merged(parts: Parts) -> None:
    with pytest.MonkeyPatch.context() as patch, closing(Blocks(SCHEMA, None, "")) as aside:
        narrow(patch)
        runs = []
        for part in parts:
            runs.append(Run(aside))
            with closing(Gathering(SCHEMA, None, "")) as groups:
                groups.add(table(part))
                for batch in groups.batches():
                    runs[-1].append(batch)
        assert found(merged(runs, SCHEMA)) == expected(parts)


def many(first: int, count: int = 20_000) -> pa.Table:
    zones = pa.array([f"{number % 7:02d}{number:012d}" for number in range(first, first + count)])
    ones = np.ones(count, np.int64)
    return pa.Table.from_arrays([zones, pa.array(ones), areas_of(ones)], schema=PLAIN)


def fill(groups: Gathering, rows: int) -> None:
    for first in range(0, rows, 20_000):
        groups.add(many(first))


def test_what_does_not_fit_is_nowhere_to_be_seen_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_MOST_ROWS", 30_000)
    monkeypatch.setattr(blocks, "_MEMORY_BYTES", 1 << 16)
    with closing(Gathering(PLAIN, tmp_path, "")) as groups:
        fill(groups, 200_000)
        groups.add(many(0))
        assert list(tmp_path.iterdir()) == []
        counted = [batch.num_rows for batch in groups.batches()]
        assert sum(counted) == 200_000
        assert max(counted) <= 16_384
        assert any(str(tmp_path) in name for name in open_files())
    assert not any(str(tmp_path) in name for name in open_files())


def open_files() -> list[str]:
    """Return the files that this process has open, also those without a name."""
    found = []
    for place in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # other threads of the process open and close files meanwhile
            found.append(str(place.readlink()))
    return found


@pytest.mark.parametrize("spare", [0, 6 * MIB], ids=["to the last byte", "what is left to others"])
def test_a_full_disk_is_told_and_left_as_it_was(monkeypatch: pytest.MonkeyPatch, spare: int) -> None:
    monkeypatch.setattr(gathering, "_MOST_ROWS", 30_000)
    monkeypatch.setattr(blocks, "_MEMORY_BYTES", 1 << 16)
    monkeypatch.setattr(blocks, "_SPARE_BYTES", spare)
    root = Path(tempfile.mkdtemp(prefix="gt-"))
    disk = SmallDisk(root / "data", 8)
    try:
        free = disk.free
        with closing(Gathering(PLAIN, disk.path, "scratch/")) as groups, pytest.raises(DiskFull) as told:
            fill(groups, 1_000_000)
        assert told.value.facts == {"place": "scratch/"}
        assert disk.free == free
        assert list(disk.path.iterdir()) == []
    finally:
        disk.close()
        shutil.rmtree(root)


def test_what_one_question_puts_aside_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_MOST_ROWS", 30_000)
    monkeypatch.setattr(blocks, "MOST_BYTES", 2 * MIB)
    with closing(Gathering(PLAIN, tmp_path, "")) as groups, pytest.raises(TooLarge):
        fill(groups, 200_000)


def test_a_thread_that_nobody_waits_for_is_stopped_by_closing(tmp_path: Path) -> None:
    aside = Blocks(PLAIN, tmp_path, "")
    run = Run(aside)
    (batch, *_) = many(0).to_batches()
    run.append(batch)
    aside.close()
    aside.close()
    with pytest.raises(ValueError, match="closed"):
        run.append(batch)


def test_a_member_that_does_not_keep_the_order_keeps_nobody_waiting(tmp_path: Path) -> None:
    with closing(Blocks(PLAIN, tmp_path, "")) as aside:
        runs = [Run(aside), Run(aside)]
        rows = many(0, 1000).take(np.arange(1000)[::-1].copy())
        for run in runs:
            run.append(rows.combine_chunks().to_batches()[0])
        assert sum(batch.num_rows for batch in merged(runs, PLAIN)) >= 1000
