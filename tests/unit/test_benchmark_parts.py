"""The parts of the benchmarks that decide what a number means."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial

import pyarrow as pa
import pytest

from benchmarks.agreement import Disagreement, require_same
from benchmarks.budget import within_budget
from benchmarks.memory import MemoryWatch, growth_mib, late_growth_mib, peak_mib, reset_peak, resident_mib
from benchmarks.owners import OWNERS, owner_of
from benchmarks.parcels import read_counties
from benchmarks.processor import cpu_ms, own_cpu_ms
from benchmarks.timing import Side, Timing, alternate


def test_sides_take_turns_and_the_warm_up_is_not_counted() -> None:
    calls: list[str] = []
    sides = {name: Side(partial(calls.append, name), own_cpu_ms) for name in ("a", "b")}
    times = alternate(sides, rounds=3, warm_up=1)

    assert "".join(calls) == "ababbaab"
    assert {name: len(timing.rounds_ms) for name, timing in times.items()} == {"a": 3, "b": 3}


def test_waiting_takes_time_and_work_takes_the_processor_too() -> None:
    def work() -> None:
        ends = time.thread_time() + 0.1
        while time.thread_time() < ends:
            pass

    sides = {"waits": Side(lambda: time.sleep(0.05), own_cpu_ms), "works": Side(work, own_cpu_ms)}
    times = alternate(sides, rounds=2, warm_up=0)

    assert times["waits"].best_ms >= 50
    assert times["works"].best_ms >= 99
    assert times["waits"].cpu_ms < 50 < 99 <= times["works"].cpu_ms
    assert cpu_ms([os.getpid()]) > 190


def test_one_disturbed_round_does_not_move_the_median() -> None:
    assert Timing([5.0, 900.0, 4.0]).median_ms == 5.0


@pytest.mark.parametrize(
    ("mesh_ms", "engine_ms", "within"),
    [(49.9, 19.9, True), (50.1, 19.9, False), (26.0, 20.0, True), (26.1, 20.0, False), (130.0, 100.0, True)],
)
def test_short_questions_have_a_budget_of_their_own(mesh_ms: float, engine_ms: float, within: bool) -> None:
    assert within_budget(mesh_ms, engine_ms) is within


# A process of its own: this one may give back what other tests took.
HOLDER = """
import os, sys
print("ready", flush=True)
sys.stdin.readline()
held = os.urandom(1 << 20) * 64
print("held", flush=True)
sys.stdin.readline()
"""


def test_resident_memory_follows_what_a_process_holds() -> None:
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        reset_peak(holder.pid)
        before = resident_mib(holder.pid)
        with MemoryWatch({"it": holder.pid}, every_s=0.01) as watch:
            holder.stdin.write("\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == "held\n"
        assert resident_mib(holder.pid) - before > 60
        assert peak_mib(holder.pid) - before > 60
        assert growth_mib(watch.samples["it"]) > 60
        holder.stdin.close()


def test_memory_that_rose_early_and_stayed_is_flat() -> None:
    assert late_growth_mib([100.0, 180.0, 181.0, 180.5, 180.0, 181.0]) == 0.0
    assert late_growth_mib([100.0, 110.0, 120.0, 130.0]) == 20.0


def test_every_county_has_the_nearest_owner() -> None:
    assert {owner_of(county.adcode) for county in read_counties()} == set(OWNERS)
    assert owner_of("510104") == "510100"
    assert owner_of("510300") == "510000"
    with pytest.raises(ValueError, match="110101"):
        owner_of("110101")


def test_answers_are_the_same_rows_in_any_order_and_nothing_less() -> None:
    left = pa.table({"key": ["a", "b"], "value": [1.5, None]})
    assert require_same("q", left, left.take([1, 0]), ["key"]) == 2
    for other in (
        left.slice(0, 1),
        left.rename_columns(["key", "other"]),
        pa.table({"key": ["a", "b"], "value": [1.5, 0.0]}),
    ):
        with pytest.raises(Disagreement):
            require_same("q", left, other, ["key"])
