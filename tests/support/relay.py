"""A TCP relay on 127.0.0.1 that can go silent, as a network does that drops packets, or refuse."""

from __future__ import annotations

import asyncio
import contextlib

from demo.ports import PortPool


class Relay:
    """Passes bytes to "host:port" and back; use it as an async context manager."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        # Outside the range of outgoing connections, one of which could take it while nobody is to be reached here.
        self._ports = PortPool()
        self._own = self._ports.address()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Relay:
        await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()

    @property
    def endpoint(self) -> str:
        """Return "host:port" to connect to."""
        return self._own

    def silence(self) -> None:
        """Keep connections open and take new ones, and pass nothing on."""
        self._open.clear()

    async def accept(self) -> None:
        """Take connections, again after `refuse`, on the same port."""
        host, _, port = self._own.rpartition(":")
        self._server = await asyncio.start_server(self._serve, host, int(port))

    async def refuse(self) -> None:
        """Break all connections and take no new ones."""
        if self._server is not None and self._server.is_serving():
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
                await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(1 << 16):
                    await self._open.wait()
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.close()
