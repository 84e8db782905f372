"""A relay that loses answers, as a network does that breaks at the wrong moment."""

from __future__ import annotations

import asyncio
import contextlib


class LosesAnswers:
    """A relay that passes requests on and, once told to, loses one answer and breaks that connection."""

    def __init__(self, target: str) -> None:
        self._target = target.split(":")
        self.lose = False
        self.lost = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        requests = asyncio.create_task(self._pass(reader, far_writer))
        with contextlib.suppress(OSError):
            while data := await far_reader.read(1 << 16):
                if self.lose:
                    self.lose, self.lost = False, self.lost + 1
                    break
                writer.write(data)
                await writer.drain()
        requests.cancel()
        for end in (writer, far_writer):
            end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
