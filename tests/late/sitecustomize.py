"""Makes seams of guotu late, in every process, so that tests and code which count on somebody being quick show it.

Python imports this by itself where its folder is in PYTHONPATH; `make late` puts it there. `LATE` names the seams and
for each the most that it waits, in seconds: `LATE=registry=2,replicas=1.2`. How long it really is, is random.
"""

from __future__ import annotations

import asyncio
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import os
import random
import sys
import time
from asyncio.base_events import BaseEventLoop
from collections.abc import AsyncIterator, Callable, Sequence
from types import ModuleType
from typing import Any

SEAMS = {
    "etcd": {"registry.etcd:Etcd": ["_kv"]},
    "replicas": {"sync.replica.worker:ReplicaWorker": ["_perform"]},
    "announce": {"node.membership:Membership": ["advertise", "advertise_replica", "withdraw_replica", "join"]},
    "peers": {"guotu.wire.peers:GrpcPeers": ["_frames", "explain", "versions"]},
    "store": {"node.stores.duckdb.store:DuckDbStore": [], "node.stores.postgis.store:PostgisStore": []},
}
"""Classes by seam, and which of their methods (all that are public, if none are named) wait before and after."""
POLLS = ("tests.support.small_mesh", "tests.support.eventually", "demo.settling")
"""Who looks again and again; with `polls` they look seldom, and miss what does not last."""
OTHERS = {"registry", "polls", "loop", "threads"}


def _read(text: str) -> dict[str, float]:
    late = {name: float(most) for name, _, most in (item.partition("=") for item in text.split(",") if item)}
    if strange := late.keys() - SEAMS.keys() - OTHERS:
        sys.exit(f"LATE: no such seam: {', '.join(strange)}; there are {', '.join(sorted(SEAMS.keys() | OTHERS))}")
    return late


def _late(most: float) -> float:
    return random.uniform(0, most)


def _late_method(method: Any, most: float) -> Any:
    """Return an asynchronous method that waits at its beginning, its end, and between what it yields."""

    async def call(*words: Any, **named: Any) -> Any:
        await asyncio.sleep(_late(most))
        result = await method(*words, **named)
        await asyncio.sleep(_late(most))
        return result

    async def stream(*words: Any, **named: Any) -> AsyncIterator[Any]:
        await asyncio.sleep(_late(most))
        source = method(*words, **named)
        try:
            async for item in source:
                yield item
                await asyncio.sleep(_late(most / 4))
        finally:
            await source.aclose()

    if inspect.isasyncgenfunction(method):
        return stream
    return call if inspect.iscoroutinefunction(method) else method


def _late_class(name: str, methods: Sequence[str], most: float) -> Callable[[ModuleType], None]:
    def change(module: ModuleType) -> None:
        owner = getattr(module, name)
        for method in methods or [item for item in vars(owner) if not item.startswith("_")]:
            setattr(owner, method, _late_method(vars(owner)[method], most))

    return change


def _late_registry(most: float) -> Callable[[ModuleType], None]:
    """Let what the registry tells be seen later; it is the same for each change."""

    def change(module: ModuleType) -> None:
        begin = module.EtcdDirectory.__init__

        def late(self: Any, etcd: Any, cache: Any, options: Any = None) -> None:
            begin(self, etcd, cache, options or module.DirectoryOptions(batch=most))

        module.EtcdDirectory.__init__ = late

    return change


def _late_polls(most: float) -> Callable[[ModuleType], None]:
    class Seldom:
        def __init__(self, whole: ModuleType, sleep: Callable[[float], Any]) -> None:
            self._whole, self.sleep = whole, sleep

        def __getattr__(self, name: str) -> Any:
            return getattr(self._whole, name)

    def change(module: ModuleType) -> None:
        own: Any = module
        own.time = Seldom(time, lambda seconds: time.sleep(_late(most)))
        own.asyncio = Seldom(asyncio, lambda seconds: asyncio.sleep(_late(most)))

    return change


def _stop_the_loop(most: float) -> None:
    """Let event loops stand still now and then."""
    once, due = BaseEventLoop._run_once, time.monotonic() + 3  # type: ignore[attr-defined]

    def halting(self: BaseEventLoop) -> None:
        nonlocal due
        if time.monotonic() > due:
            time.sleep(_late(most))
            due = time.monotonic() + _late(4)
        once(self)

    BaseEventLoop._run_once = halting  # type: ignore[attr-defined]


def _delay_threads(most: float) -> None:
    run = BaseEventLoop.run_in_executor

    def delayed(self: BaseEventLoop, executor: Any, work: Callable[..., Any], *words: Any) -> Any:
        def late(*words: Any) -> Any:
            time.sleep(_late(most) * random.getrandbits(1))
            try:
                return work(*words)
            finally:
                time.sleep(_late(most) * random.getrandbits(1))

        return run(self, executor, late, *words)

    BaseEventLoop.run_in_executor = delayed  # type: ignore[method-assign, assignment]


class LateModules(importlib.abc.MetaPathFinder):
    """Changes modules once they are loaded."""

    def __init__(self, changes: dict[str, Callable[[ModuleType], None]]) -> None:
        self._changes = changes

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the module's own specification, with the change after its loading."""
        change = self._changes.pop(name, None)
        spec = importlib.util.find_spec(name) if change else None
        if change is None or spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def loaded(module: ModuleType) -> None:
            load(module)
            change(module)

        spec.loader.exec_module = loaded  # type: ignore[method-assign]
        return spec


def _changes(late: dict[str, float]) -> dict[str, Callable[[ModuleType], None]]:
    found: dict[str, Callable[[ModuleType], None]] = {}
    for seam, most in late.items():
        if seam == "registry":
            found["registry.directory"] = _late_registry(most)
        elif seam == "polls":
            found |= dict.fromkeys(POLLS, _late_polls(most))
        else:
            for place, methods in SEAMS.get(seam, {}).items():
                module, _, name = place.partition(":")
                found[module] = _late_class(name, methods, most)
    return found


def begin(late: dict[str, float], is_node: bool) -> None:
    """Make seams late in this process; those of Python itself only in a node, since tests' own would tell nothing."""
    if is_node and "loop" in late:
        _stop_the_loop(late["loop"])
    if is_node and "threads" in late:
        _delay_threads(late["threads"])
    if changes := _changes(late):
        sys.meta_path.insert(0, LateModules(changes))


begin(_read(os.environ.get("LATE", "")), "serve" in sys.argv)
