"""Reading in another thread, so that Ctrl-C and SIGTERM never strike inside gRPC.

What a signal raises in the main thread can leave a lock of Python's `threading` half taken; inside gRPC's that is a
hang. Here the main thread waits on `queue.SimpleQueue` only, which a signal cannot break.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from node.cli.stop_signal import check_stop

T = TypeVar("T")

AHEAD = 4
"""Items read before they are asked for."""
_TIDYING_S = 5.0
"""How long the thread may take to close what it read, after its last item."""


@dataclass(frozen=True, slots=True)
class _End(Generic[T]):
    """The source ended; by `failure` if there is one."""

    failure: BaseException | None = None


def in_background(source: Callable[[], Iterable[T]]) -> Iterator[T]:
    """Yield what `source()` yields and raise what it raises; at most a few items are read ahead.

    Closing the iterator makes the thread stop at its next item; whoever owns the connection closes that too.
    """
    items: SimpleQueue[T | _End[T]] = SimpleQueue()
    turns: SimpleQueue[bool] = SimpleQueue()
    for _ in range(AHEAD):
        turns.put(True)
    reader = threading.Thread(target=_read, args=(source, items, turns), daemon=True)
    reader.start()
    try:
        while not isinstance(item := items.get(), _End):
            check_stop()
            turns.put(True)
            yield item
        reader.join(_TIDYING_S)
        if item.failure is not None:
            raise item.failure
    finally:
        turns.put(False)


def _read(source: Callable[[], Iterable[T]], items: SimpleQueue[T | _End[T]], turns: SimpleQueue[bool]) -> None:
    try:
        for item in source():
            if not turns.get():
                return
            items.put(item)
        items.put(_End())
    except BaseException as failure:
        items.put(_End(failure))
