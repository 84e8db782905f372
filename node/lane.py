"""A lane: questions of which so many run at once, while others wait, or are told to come back later."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from guotu.model.errors import Overloaded

_WAIT_SHARE = 0.4
"""Of a question's deadline that it waits at most: who asks it takes half of it without a sign of life for silence."""
_LEAST_RETRY_S, _MOST_RETRY_S = 0.1, 10.0
_WEIGHT = 0.1
"""Of the newest question in the usual time of one."""


class Lane:
    """Bounds the questions under way; those that wait are let in round robin by caller, each caller's in their order.

    Once as many wait as may, a newcomer takes the place of the last of the caller who has most waiting, unless that is
    itself: nobody keeps others out.
    """

    def __init__(
        self,
        node: str,
        at_once: int,
        waiting: int,
        longest_wait_s: float,
        clock: Callable[[], float],
    ) -> None:
        """Take the node's id, how many run at once, how many wait at most, and for how long: slowness is no answer."""
        self._node = node
        self._at_once = at_once
        self._most_waiting = waiting
        self._longest_wait_s = longest_wait_s
        self._clock = clock
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        self._usual_s = _LEAST_RETRY_S
        self._idle = asyncio.Event()
        self._idle.set()
        self.running = 0
        self.refused = 0
        """Since the start, how many were told to come back later."""
        self.idle_since = clock()
        """When the last question ended, by the clock; of no meaning while any is under way."""

    @property
    def waiting(self) -> int:
        """Return how many questions wait."""
        return sum(map(len, self._queues.values()))

    @asynccontextmanager
    async def turn(self, caller: str, seconds: float) -> AsyncIterator[None]:
        """Hold a turn; `seconds` are what is left of the question's deadline.

        Raises:
            Overloaded: too many wait, or this one has waited too long.
        """
        await self._take(caller, min(seconds * _WAIT_SHARE, self._longest_wait_s))
        began = self._clock()
        try:
            yield
        finally:
            self._usual_s += _WEIGHT * (self._clock() - began - self._usual_s)
            self._release()

    async def idle(self, seconds: float) -> None:
        """Return once no question is under way, at the latest after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    async def _take(self, caller: str, seconds: float) -> None:
        if self.running < self._at_once:
            self.running += 1
            self._idle.clear()
            return
        if self.waiting >= self._most_waiting:
            self._make_room(caller)
        place = asyncio.get_running_loop().create_future()
        self._queues.setdefault(caller, deque()).append(place)
        try:
            async with asyncio.timeout(seconds):
                await place
        except TimeoutError:
            self._leave(caller, place)
            raise self._overloaded() from None
        except asyncio.CancelledError:
            self._leave(caller, place)
            raise

    def _make_room(self, caller: str) -> None:
        """Turn the last of the longest queue away for a caller who has fewer waiting.

        Raises:
            Overloaded: there is no longer queue.
        """
        longest = max(self._queues, key=lambda name: len(self._queues[name]), default=caller)
        if len(self._queues.get(longest, ())) <= len(self._queues.get(caller, ())) + 1:
            raise self._overloaded()
        place = self._queues[longest].pop()
        if not place.done():
            place.set_exception(self._overloaded())

    def _leave(self, caller: str, place: asyncio.Future[None]) -> None:
        """Give up a place in the queue, or the turn that came in the same moment."""
        queue = self._queues.get(caller)
        if queue is not None and place in queue:
            queue.remove(place)
            if not queue:
                del self._queues[caller]
        elif place.done() and not place.cancelled() and place.exception() is None:
            self._release()

    def _release(self) -> None:
        """Hand a turn to the caller whose turn it is; that caller then comes last."""
        while self._queues:
            caller = next(iter(self._queues))
            queue = self._queues.pop(caller)
            place = queue.popleft()
            if queue:
                self._queues[caller] = queue
            if not place.done():
                place.set_result(None)
                return
        self.running -= 1
        if not self.running:
            self.idle_since = self._clock()
            self._idle.set()

    def _overloaded(self) -> Overloaded:
        self.refused += 1
        wait = self._usual_s * (self.waiting + 1) / self._at_once
        return Overloaded(node=self._node, retry_s=round(min(max(wait, _LEAST_RETRY_S), _MOST_RETRY_S), 2))
