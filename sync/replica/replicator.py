"""Replicator: keeps a replica of every dataset that a subscription covers."""

from __future__ import annotations

import asyncio
import time
import zlib
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import structlog

from guotu.model.division import split_dataset
from guotu.model.errors import GuotuError, InvalidQuestion, NotFound
from guotu.model.ports import Directory, DirectoryView
from guotu.model.records import DatasetRecord
from sync.replica.errands import Errands
from sync.replica.hours import Hours
from sync.replica.machine import Backoff
from sync.replica.partial import sweep_partial
from sync.replica.record import list_records
from sync.replica.site import Site
from sync.replica.status import ReplicaStatus
from sync.replica.subscription import (
    Subscription,
    choose,
    delete_subscription,
    list_subscriptions,
    put_subscription,
)
from sync.replica.worker import ReplicaWorker

_POLL_S = 0.3
_PAUSE = 4.0
"""Times that a look took, before the next one."""
_PARTIAL_S = 7 * 86400.0
_log = structlog.get_logger(__name__)


class Replicator:
    """The replicas of one node. It follows the directory by itself once started."""

    def __init__(
        self, site: Site, directory: Directory, partial: Path, hours: Hours, backoff: Backoff | None = None
    ) -> None:
        """Set the parts.

        Args:
            site: what the replicas share.
            directory: where heads are seen; its view is looked at several times a second.
            partial: folder of partial files, the same as the site's fetcher has.
            hours: when bytes may be fetched, for subscriptions without hours of their own.
            backoff: when to try again; each replica spreads it in its own way.
        """
        self._site = site
        self._directory = directory
        self._partial = partial
        self._hours = hours
        self._backoff = backoff or Backoff()
        self._subscriptions: dict[str, Subscription] = {}
        self._workers: dict[str, ReplicaWorker] = {}
        self._view: DirectoryView | None = None
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the subscriptions and go on with their replicas; those that none covers any more are removed.

        Raises:
            CorruptObject, StoreFailure: subscriptions or replicas cannot be read.
        """
        await asyncio.to_thread(sweep_partial, self._partial, _PARTIAL_S, time.time())
        self._subscriptions = {item.subject: item for item in await list_subscriptions(self._site.objects)}
        for dataset in await list_records(self._site.objects):
            if self._choose(dataset) is None:
                await Errands(self._site, dataset, lambda node, reason: None).drop()
            else:
                await self._begin(dataset)
        self._following = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop; replicas stay as they are."""
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        await asyncio.gather(*(worker.close() for worker in self._workers.values()))
        self._workers.clear()

    def changed(self) -> None:
        """Look at the directory now rather than soon; to be called in the event loop."""
        self._changed.set()

    async def subscribe(self, subscription: Subscription) -> bool:
        """Make a subscription, or change the one with its subject; tells whether it is new. Durable on return.

        Raises:
            InvalidQuestion: it asks for a dataset of this node's own.
        """
        if subscription.is_dataset and split_dataset(subscription.subject)[0] == self._site.node:
            raise InvalidQuestion(part="subject", detail=f"{subscription.subject} 为本节点自有 is this node's own")
        async with self._turn:
            created = await put_subscription(self._site.objects, subscription)
            self._site.checkpoint("subscribed")
            self._subscriptions[subscription.subject] = subscription
            await self._look_again()
        return created

    async def unsubscribe(self, subject: str) -> list[str]:
        """End a subscription; returns the replicas that are no longer kept, which are gone when this returns.

        Raises:
            NotFound: there is no such subscription.
        """
        async with self._turn:
            if subject not in self._subscriptions:
                raise NotFound(detail=f"订阅 subscription {subject}")
            await delete_subscription(self._site.objects, subject)
            self._site.checkpoint("unsubscribed")
            del self._subscriptions[subject]
            before = set(self._workers)
            await self._look_again()
            return sorted(before - set(self._workers))

    def subscriptions(self) -> list[Subscription]:
        """Return all subscriptions, by subject."""
        return [item for _, item in sorted(self._subscriptions.items())]

    def status(self) -> list[ReplicaStatus]:
        """Return how each replica stands, by dataset."""
        return [worker.status() for _, worker in sorted(self._workers.items())]

    def relied_on(self) -> set[str]:
        """Return the keys of objects that work under way has fetched or counts on, which no collection may remove."""
        return {key for worker in self._workers.values() for key in worker.relied_on()}

    async def _follow(self) -> None:
        """Look at the directory when it has changed, and at the clock several times a second."""
        while True:
            self._changed.clear()
            began = time.monotonic()
            async with self._turn:
                await self._look_safely()
            # A look through many datasets must not follow upon itself without a pause.
            await asyncio.sleep(min(_POLL_S, _PAUSE * (time.monotonic() - began)))
            with suppress(TimeoutError):
                # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the change.
                async with asyncio.timeout(_POLL_S):
                    await self._changed.wait()

    async def _look_again(self) -> None:
        """Look, and at all datasets even if the directory is the same as before."""
        self._view = None
        await self._look_safely()

    async def _look_safely(self) -> None:
        """Look; what fails is tried again soon."""
        try:
            await self._look()
        except GuotuError as failure:
            self._view = None
            _log.warning("replicas_not_followed", detail=failure.english)

    async def _look(self) -> None:
        """Begin, change and end replicas as the subscriptions have it, and tell each of its head and its hours."""
        view, wanted = self._directory.view(), set(self._workers)
        if view is not self._view:
            for item in self._subscriptions.values():
                wanted.update(item.datasets(view, self._site.node))
        for dataset in sorted(wanted):
            wish = self._choose(dataset)
            if wish is None:
                await self._workers.pop(dataset).drop()
            elif dataset not in self._workers:
                await self._begin(dataset)
            else:
                self._workers[dataset].change(wish)
        for dataset, worker in self._workers.items():
            worker.window(self._is_open(worker.wish))
            record = _head(view, dataset)
            if record is not None:
                worker.see(record)
        self._view = view

    async def _begin(self, dataset: str) -> None:
        wish = self._choose(dataset)
        assert wish is not None  # callers have looked
        worker = ReplicaWorker(self._site, dataset, wish, self._spread(dataset), self._is_open(wish))
        await worker.start()
        self._workers[dataset] = worker

    def _choose(self, dataset: str) -> Subscription | None:
        return choose(self._subscriptions.values(), dataset, self._site.node)

    def _is_open(self, wish: Subscription) -> bool:
        moment = datetime.fromtimestamp(self._site.clock.now_ms() / 1000)
        return (wish.hours or self._hours).open_at(moment)

    def _spread(self, dataset: str) -> Backoff:
        """Return the backoff of a dataset: not all come back in the same moment when a peer does."""
        share = zlib.crc32(f"{self._site.node} {dataset}".encode()) % 256 / 1024
        plain = self._backoff
        return Backoff(plain.first_ms, plain.most_ms, plain.slow_ms, share)


def _head(view: DirectoryView, dataset: str) -> DatasetRecord | None:
    return view.datasets.get(split_dataset(dataset)[1], {}).get(dataset)
