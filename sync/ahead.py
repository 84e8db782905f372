"""Ahead: a stream that is worked out in a thread of its own, a few items before they are asked for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item], depth: int = 2) -> Iterator[Item]:
    """Yield what `items` yields, drawn in another thread, at most `depth` items before.

    What it raises is raised here. Closing this iterator closes that one, when its present item is done.
    """
    ready: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()
    thread = threading.Thread(target=_draw, args=(items, ready, stopped), name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        while thread.is_alive():
            _empty(ready)
            thread.join(0.01)


def _draw(
    items: Iterator[Item],
    ready: queue.Queue[tuple[Item | None, BaseException | None]],
    stopped: threading.Event,
) -> None:
    try:
        for item in items:
            ready.put((item, None))
            if stopped.is_set():
                break
        ready.put((None, StopIteration()))
    except BaseException as error:  # it belongs to who draws from the queue
        ready.put((None, error))
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def _empty(ready: queue.Queue[tuple[Item | None, BaseException | None]]) -> None:
    """Make room, so that a thread that waits to put can end."""
    try:
        while True:
            ready.get_nowait()
    except queue.Empty:
        return
