"""Long work off the event loop: it stops when nobody waits for it any more."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from sync.spool import Spool
from tests.support.publish_parts import Parts
from tests.support.sync_samples import parcels, write_spool


async def test_cancelling_stops_the_work_in_the_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, told, blocks = 0, threading.Event(), Spool.blocks

    def held(spool: Spool) -> Iterator[pa.RecordBatch]:
        """Yield some of the 300 blocks, and the others once the work was told to stop."""
        nonlocal drawn
        for block in blocks(spool):
            drawn += 1
            assert drawn <= 20 or told.wait(60)
            yield block

    def cancel_early(stage: str, rows: int, total: int) -> None:
        if stage == "digest" and rows and not told.is_set():
            task.cancel()
            asyncio.get_running_loop().call_soon(told.set)

    monkeypatch.setattr(Spool, "blocks", held)
    parts = Parts(tmp_path)
    task = asyncio.ensure_future(
        parts.publish(write_spool(tmp_path / "many.arrow", parcels(3000), 10), "w-1", progress=cancel_early)
    )
    with pytest.raises(asyncio.CancelledError):
        await task
    assert drawn < 30
    assert await parts.objects.keys("") == []
