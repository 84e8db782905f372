"""Heads that the node has yet to come to: a failed publish may have moved them, or they could not be read at start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from guotu.model.errors import CorruptObject, GuotuError, VersionRefused

_FIRST_S, _MOST_S = 0.5, 30.0
"""Pause before the second try, and at most; each is twice as long as the one before."""
_log = structlog.get_logger(__name__)


class Unfinished:
    """Datasets of which a publish failed, or the head was not readable, until the store can answer from the head."""

    def __init__(self, restore: Callable[[str], Awaitable[None]]) -> None:
        """Take what makes a dataset's head readable, and lets others know of it; it raises GuotuError if it cannot."""
        self._restore = restore
        self._datasets: set[str] = set()
        self._noted = asyncio.Event()

    def note(self, dataset: str) -> None:
        """Take note of a dataset."""
        self._datasets.add(dataset)
        self._noted.set()

    async def tend(self) -> None:
        """Bring the node to the heads of what is noted, again and again where that fails, until cancelled."""
        pause = _FIRST_S
        while True:
            await self._noted.wait()
            for dataset in sorted(self._datasets):
                if await self._restored(dataset):
                    self._datasets.discard(dataset)
            if not self._datasets:
                self._noted.clear()
                pause = _FIRST_S
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _MOST_S)

    async def _restored(self, dataset: str) -> bool:
        try:
            await self._restore(dataset)
        except GuotuError as failure:
            _log.warning("head_not_readable", dataset=dataset, reason=failure.reason, detail=failure.english)
            # Objects do not mend themselves; `guotu verify` tells of them.
            return isinstance(failure, (CorruptObject, VersionRefused))
        return True
