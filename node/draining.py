"""Handing over: the node tells its peers to ask replicas first, and waits until no question is under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import structlog

from guotu.model.draining import DrainState
from guotu.model.errors import Conflict, NodeDraining
from guotu.model.ports import Directory
from guotu.model.records import NodeRecord
from node.holdings import Holdings
from node.identity import Identity
from node.turns import Turns

_SETTLED_S = 1.0
"""How long no question must have been under way: peers learn within that."""
_PAUSE_S = 0.1
"""Between one look and the next."""
_TELL_S = 1.0
"""A state that does not change is told again after so long."""
_log = structlog.get_logger(__name__)


class DrainDesk:
    """Drains and resumes the node. That it is being drained stays over restarts, in a file of the data directory."""

    def __init__(
        self,
        identity: Identity,
        mark: Path,
        register: Callable[[NodeRecord], Awaitable[bool]],
        turns: Turns,
        holdings: Holdings,
        directory: Directory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what the node is, the file that marks it, and how a changed record is registered (True: it is)."""
        self._identity = identity
        self._mark = mark
        self._register = register
        self._turns = turns
        self._holdings = holdings
        self._directory = directory
        self._clock = clock

    def require_active(self) -> None:
        """Let a publish in.

        Raises:
            NodeDraining: the node is being drained.
        """
        if self._identity.record.draining:
            raise NodeDraining(node=self._identity.record.node)

    async def drain(self) -> AsyncIterator[DrainState]:
        """Begin to hand over, and tell how far it is until no question is under way; who stops listening ends nothing.

        Raises:
            OSError: the data directory cannot be written; nothing has changed then.
            Conflict: somebody else has had the node resume meanwhile.
        """
        await asyncio.to_thread(self._mark.touch)
        if not self._identity.record.draining:
            _log.info("draining")
        self._identity.drain(True)
        began, told_at = self._clock(), 0.0
        before: DrainState | None = None
        told = await self._register(self._identity.record)
        while True:
            now = self._clock()
            state = DrainState(self._turns.running, self._turns.waiting, told)
            idle = not state.running and not state.waiting
            if told and idle and now - max(began, self._turns.idle_since) >= _SETTLED_S:
                yield DrainState(0, 0, True, drained=True, alone=self._alone())
                return
            if state != before or now - told_at >= _TELL_S:
                yield state
                before, told_at = state, now
            await asyncio.sleep(_PAUSE_S)
            if not self._identity.record.draining:
                raise Conflict(detail="移交期间节点已恢复 the node was resumed meanwhile: guotu node resume")
            told = told or await self._register(self._identity.record)

    async def resume(self) -> bool:
        """End the handing over; tells whether there was any.

        Raises:
            OSError: the data directory cannot be written; nothing has changed then.
        """
        await asyncio.to_thread(self._mark.unlink, missing_ok=True)
        changed = self._identity.record.draining
        if changed:
            _log.info("resumed")
            self._identity.drain(False)
            await self._register(self._identity.record)
        return changed

    def _alone(self) -> tuple[str, ...]:
        view, node = self._directory.view(), self._identity.record.node

        def elsewhere(dataset: str, version: int, digest: str) -> bool:
            return any(
                held.whole and (held.version, held.digest) == (version, digest)
                for holder, held in view.replicas.get(dataset, {}).items()
                if holder != node and holder in view.nodes
            )

        own = sorted(self._holdings.records().values(), key=lambda record: record.dataset)
        return tuple(item.dataset for item in own if not elsewhere(item.dataset, item.version, item.digest))
