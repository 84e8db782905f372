"""Reading in another thread: the same items and errors, not far ahead, and a signal that got lost is found again."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from node.cli.background import AHEAD, in_background
from node.cli.stop_signal import StopSignal


def test_items_come_in_order_and_then_the_failure() -> None:
    class Torn(Exception):
        pass

    def source() -> Iterator[int]:
        yield from range(100)
        raise Torn

    got = []
    with pytest.raises(Torn):
        got.extend(in_background(source))
    assert list(in_background(lambda: range(100))) == list(range(100))


def test_a_failure_to_begin_is_raised_too() -> None:
    def source() -> Iterator[int]:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        next(in_background(source))


def test_it_does_not_run_far_ahead_and_stops_when_it_is_closed() -> None:
    drawn, ended = itertools.count(), threading.Event()
    last = 0

    def source() -> Iterator[int]:
        nonlocal last
        try:
            while True:
                last = next(drawn)
                yield last
        finally:
            ended.set()

    items = in_background(source)
    assert next(items) == 0
    deadline = time.monotonic() + 5
    while last < AHEAD and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert last <= AHEAD + 1
    items.close()  # type: ignore[attr-defined]
    assert ended.wait(60)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException]]:
    """What Python shows of exceptions that it swallowed."""
    kept: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda swallowed: kept.append(swallowed.exc_type))
    return kept


@pytest.fixture
def handler(shown: list[type[BaseException]]) -> Iterator[StopSignal]:
    """The handler of signals, installed."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    installed = StopSignal()
    installed.install()
    yield installed
    signal.signal(signal.SIGINT, before[0])
    signal.signal(signal.SIGTERM, before[1])


SIGNALS = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]


@pytest.mark.parametrize(("number", "raised"), SIGNALS)
def test_a_signal_whose_exception_was_swallowed_ends_the_reading(
    handler: StopSignal, number: signal.Signals, raised: type[BaseException]
) -> None:
    items = in_background(itertools.count)
    assert next(items) == 0
    with pytest.raises(raised):
        handler(number, None)
    with pytest.raises(raised):
        next(items)


@pytest.mark.parametrize("number", [number for number, _ in SIGNALS])
def test_of_a_signal_that_was_swallowed_nothing_is_shown(
    handler: StopSignal, shown: list[type[BaseException]], number: signal.Signals
) -> None:
    class Struck:
        def __init__(self, strike: Callable[[], object]) -> None:
            self.strike = strike

        def __del__(self) -> None:
            self.strike()

    Struck(lambda: 1 // 0)
    Struck(lambda: sys.exit(3))
    assert shown == [ZeroDivisionError, SystemExit]
    Struck(lambda: handler(number, None))
    Struck(lambda: 1 // 0)
    assert shown == [ZeroDivisionError, SystemExit, ZeroDivisionError]
