"""Turns: how many questions run at once, who waits, and who is told to come back later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from node.lane import Lane

_ASIDE_WAIT_S = 60.0
"""How long what is asked aside waits at most: what runs before it is read no faster than zones are joined."""


class Turns:
    """The questions under way at a node, in two lanes.

    Who lays one layer over another holds a turn while it reads zones from others, who may do the same: if these reads
    waited for turns of the one kind, each could wait for the other. So what is asked aside, for the sake of a question
    that holds a turn, has a lane of its own. It is about one dataset, so it waits for nobody but nodes further below.
    """

    def __init__(
        self,
        node: str,
        at_once: int,
        waiting: int,
        longest_wait_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the node's id, how many run at once in each lane, how many wait at most, and for how long."""
        self._main = Lane(node, at_once, waiting, longest_wait_s, clock)
        self._aside = Lane(node, at_once, waiting, _ASIDE_WAIT_S, clock)

    def turn(self, caller: str, seconds: float, aside: bool = False) -> AbstractAsyncContextManager[None]:
        """Hold a turn; `seconds` are what is left of the question's deadline.

        Raises:
            Overloaded: too many wait, or this one has waited too long.
        """
        return (self._aside if aside else self._main).turn(caller, seconds)

    @property
    def running(self) -> int:
        """Return how many questions are under way."""
        return self._main.running + self._aside.running

    @property
    def waiting(self) -> int:
        """Return how many questions wait."""
        return self._main.waiting + self._aside.waiting

    @property
    def refused(self) -> int:
        """Return how many were told to come back later, since the start."""
        return self._main.refused + self._aside.refused

    @property
    def idle_since(self) -> float:
        """Return when the last question ended, by the clock; of no meaning while any is under way."""
        return max(self._main.idle_since, self._aside.idle_since)

    async def idle(self, seconds: float) -> None:
        """Return once no question is under way, at the latest after so many seconds."""
        await asyncio.gather(self._main.idle(seconds), self._aside.idle(seconds))
