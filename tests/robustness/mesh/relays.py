"""Relays in front of nodes, which delay, go silent in one direction, or refuse; in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from tests.robustness.mesh.namespaces import listening_socket

_DO_S = 60.0
"""How long the thread of the relays may take for what takes it a moment."""
Way = Literal["in", "out"]
T = TypeVar("T")


@dataclass
class _Door:
    """One relay: how it treats what it passes on."""

    target: str
    delay_s: float = 0.0
    open: dict[Way, asyncio.Event] = field(default_factory=dict)
    server: asyncio.Server | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Relays:
    """Any number of relays by name; all its methods may be called from any thread."""

    def __init__(self) -> None:
        self._doors: dict[str, _Door] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relays", daemon=True)
        self._thread.start()

    @property
    def names(self) -> list[str]:
        """Return the names of those there are."""
        return list(self._doors)

    def add(self, name: str, address: str, namespace: str | None, target: str) -> None:
        """Relay what comes to an address in a namespace to a target that this process reaches."""
        self._do(self._add(name, address, namespace, target))

    def delay(self, name: str, seconds: float) -> None:
        """Hold back, for so long, whatever passes from now on; 0 for not at all."""
        self._doors[name].delay_s = seconds

    def pass_on(self, name: str, way: Way, on: bool) -> None:
        """Pass on what goes in (or out), or keep it until it may."""
        self._do(self._pass_on(name, way, on))

    def close(self) -> None:
        """End all of them. May be called again."""
        if self._thread.is_alive():
            self._do(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_DO_S)

    async def _add(self, name: str, address: str, namespace: str | None, target: str) -> None:
        door = self._doors[name] = _Door(target)
        for way in ("in", "out"):
            door.open[way] = asyncio.Event()  # type: ignore[index]
            door.open[way].set()  # type: ignore[index]

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(door, reader, writer)

        door.server = await asyncio.start_server(serve, sock=listening_socket(address, namespace))

    async def _pass_on(self, name: str, way: Way, on: bool) -> None:
        event = self._doors[name].open[way]
        event.set() if on else event.clear()

    async def _close(self) -> None:
        for door in self._doors.values():
            if door.server is not None:
                door.server.close()
            for task in door.tasks:
                task.cancel()
            await asyncio.gather(*door.tasks, return_exceptions=True)

    async def _serve(self, door: _Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = door.target.rpartition(":")
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        for way, source, sink in (("in", reader, far_writer), ("out", far_reader, writer)):
            task = asyncio.create_task(self._pass(door, way, source, sink))  # type: ignore[arg-type]
            door.tasks.add(task)
            task.add_done_callback(door.tasks.discard)

    async def _pass(self, door: _Door, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)
        feeding = asyncio.create_task(self._feed(door, reader, queue))
        try:
            with suppress(OSError):
                while (item := await queue.get())[1]:
                    await asyncio.sleep(item[0] - self._loop.time())
                    await door.open[way].wait()
                    writer.write(item[1])
                    await writer.drain()
        finally:
            feeding.cancel()
            writer.close()

    async def _feed(self, door: _Door, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]) -> None:
        """Note when each piece came, so that a delay holds back all pieces alike and does not add up."""
        data = b"first"
        while data:
            try:
                data = await reader.read(1 << 16)
            except OSError:
                data = b""
            await queue.put((self._loop.time() + door.delay_s, data))
