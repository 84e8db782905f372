"""Asking: manifests and definitions from whoever holds them, checked by their names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
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


class Asker:
    """Asks one peer after the other; one whose answer is not what was asked for goes into quarantine."""

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

    async def _ask(self, dataset: str, version: int, what: str, ask: Callable[[Source], Awaitable[Answer]]) -> Answer:
        reasons = []
        for source in self.sources.of(dataset, version):
            try:
                return await ask(source)
            except CorruptObject as failure:
                reason = f"{source.node}: {what}: {failure.english}"
                self.sources.quarantine.put(source.node, reason)
                self._bad(source.node, reason)
                reasons.append(reason)
            except GuotuError as failure:
                reasons.append(f"{source.node}: {failure.english}")
        why = "; ".join(reasons) or self.sources.nobody(dataset)
        raise Unavailable(detail=f"{dataset}@{version} {what} ({why})")
