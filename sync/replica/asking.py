"""Asking: manifests and definitions from whoever holds them, checked by their names."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TypeVar

from guotu.model.collection import Collection
from guotu.model.errors import CorruptObject, GuotuError, Unavailable
from guotu.model.ports import Holder
from sync.definitions import parse_definition
from sync.manifest import manifest_name, parse_manifest
from sync.replica.sources import Source, Sources
from sync.replica.transfer import ToldBad
from sync.signed import SignedManifest

Answer = TypeVar("Answer")
_TIMEOUT_S = 15.0
_HEAD_START_S = 1.0
"""After which the next peer is asked too; a manifest has some kilobytes."""


class Asker:
    """Asks the first peer, and the next ones beside it where it has not answered in a moment; the first answer counts.

    One whose answer is not what was asked for goes into quarantine.
    """

    def __init__(
        self, holder: Holder, sources: Sources, bad: ToldBad = lambda node, reason: None, timeout: float = _TIMEOUT_S
    ) -> None:
        """Set the parts; `bad` hears of (peer, why), `timeout` in seconds is for each question."""
        self.sources = sources
        self._holder = holder
        self._bad = bad
        self._timeout = timeout

    async def manifest(self, dataset: str, version: int, name: str) -> SignedManifest:
        """Return a manifest by its name; its signature is not yet checked.

        Raises:
            Unavailable: nobody could give it.
            VersionRefused: the bytes have that name, but are no manifest.
        """

        async def ask(source: Source) -> SignedManifest:
            data, signature = await self._holder.manifest(source.address, dataset, name, self._timeout)
            if manifest_name(data) != name:
                raise CorruptObject(object=f"manifest {name}", detail="its bytes have another hash")
            return SignedManifest(parse_manifest(data), data, signature)

        return await self._ask(dataset, version, f"manifest {name[:12]}", ask)

    async def definition(self, dataset: str, version: int, digest: str) -> Collection:
        """Return the collection with that definition hash.

        Raises:
            Unavailable: nobody could give it.
        """

        async def ask(source: Source) -> Collection:
            return parse_definition(digest, await self._holder.definition(source.address, digest, self._timeout))

        return await self._ask(dataset, version, f"definition {digest[:12]}", ask)

    async def _ask(
        self, dataset: str, version: int, what: str, ask: Callable[[Source], Coroutine[None, None, Answer]]
    ) -> Answer:
        waiting = deque(self.sources.of(dataset, version))
        asked: dict[asyncio.Task[Answer], Source] = {}
        reasons: list[str] = []
        try:
            while waiting or asked:
                if waiting:
                    source = waiting.popleft()
                    asked[asyncio.create_task(ask(source))] = source
                patience = _HEAD_START_S if waiting else None
                done, _ = await asyncio.wait(asked, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    source = asked.pop(task)
                    try:
                        return task.result()
                    except GuotuError as failure:
                        reasons.append(self._noted(source, what, failure))
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        why = "; ".join(reasons) or self.sources.nobody(dataset)
        raise Unavailable(detail=f"{dataset}@{version} {what} ({why})")

    def _noted(self, source: Source, what: str, failure: GuotuError) -> str:
        """Return why a peer did not give what was asked for; one that gave something else is asked no more for now."""
        if not isinstance(failure, CorruptObject):
            return f"{source.node}: {failure.english}"
        reason = f"{source.node}: {what}: {failure.english}"
        self.sources.quarantine.put(source.node, reason)
        self._bad(source.node, reason)
        return reason
