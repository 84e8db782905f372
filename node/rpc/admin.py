"""guotu.v1.AdminService: what an operator does, on the node's own socket only."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import date

from guotu.model.errors import InvalidQuestion
from guotu.model.records import NodeRecord
from guotu.v1 import admin_pb2, admin_pb2_grpc
from guotu.wire.changes import change_to_proto
from guotu.wire.draining import drain_to_proto
from guotu.wire.records import dataset_to_proto, node_to_proto
from node.draining import DrainDesk
from node.holdings import Holdings
from node.publishing import PublishDesk, PublishOrder, PublishResult, PublishSession
from node.rpc.batches import read_batch, read_faults, read_schema
from node.rpc.gate import Context, Gate

_WRITE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_Requests = AsyncIterator[admin_pb2.PublishRequest]


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """Serves the operator."""

    def __init__(
        self,
        gate: Gate,
        desk: PublishDesk,
        record: Callable[[], NodeRecord],
        holdings: Holdings,
        draining: DrainDesk,
    ) -> None:
        self._gate = gate
        self._desk = desk
        self._record = record
        self._holdings = holdings
        self._draining = draining

    async def GetStatus(self, request: admin_pb2.GetStatusRequest, context: Context) -> admin_pb2.GetStatusResponse:
        """Return the node and its datasets."""

        async def work() -> admin_pb2.GetStatusResponse:
            datasets = [dataset_to_proto(record) for _, record in sorted(self._holdings.records().items())]
            return admin_pb2.GetStatusResponse(node=node_to_proto(self._record()), datasets=datasets)

        return await self._gate.unary(context, "GetStatus", work)

    async def Drain(self, request: admin_pb2.DrainRequest, context: Context) -> AsyncIterator[admin_pb2.DrainResponse]:
        """Hand over."""
        async for response in self._gate.streaming(context, "Drain", self._drain):
            yield response

    async def _drain(self) -> AsyncIterator[admin_pb2.DrainResponse]:
        async with aclosing(self._draining.drain()) as states:  # type: ignore[type-var]
            async for state in states:
                yield drain_to_proto(state)

    async def Resume(self, request: admin_pb2.ResumeRequest, context: Context) -> admin_pb2.ResumeResponse:
        """Take part again."""

        async def work() -> admin_pb2.ResumeResponse:
            return admin_pb2.ResumeResponse(changed=await self._draining.resume())

        return await self._gate.unary(context, "Resume", work)

    async def Publish(self, request_iterator: _Requests, context: Context) -> AsyncIterator[admin_pb2.PublishResponse]:
        """Publish a layer."""
        async for response in self._gate.streaming(context, "Publish", lambda: self._publish(request_iterator)):
            yield response

    async def _publish(self, requests: _Requests) -> AsyncIterator[admin_pb2.PublishResponse]:
        """Answer with progress while the work runs; the newest progress of a stage replaces older ones unread."""
        progress = _ProgressBox(asyncio.get_running_loop())
        work = asyncio.create_task(self._run(requests, progress))
        work.add_done_callback(lambda _: progress.close())
        try:
            async for frame in progress.frames():
                yield admin_pb2.PublishResponse(progress=frame)
            yield admin_pb2.PublishResponse(result=_result_to_proto(await work))
        finally:
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    async def _run(self, requests: _Requests, progress: _ProgressBox) -> PublishResult:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("frame") != "header":
            raise InvalidQuestion(part="publish", detail="the first frame must be the header")
        order = _order(first.header)
        if not order.dry_run:
            self._draining.require_active()
        async with self._desk.begin(order, progress.put) as session:
            await _feed(session, requests, order)
            return await session.finish()


async def _feed(session: PublishSession, requests: _Requests, order: PublishOrder) -> None:
    """Hand over all batches.

    Raises:
        InvalidQuestion: the input ended without its finish, or rows are missing, or came that were not announced.
    """
    rows = 0
    async for request in requests:
        if request.WhichOneof("frame") == "finish":
            if request.finish.rows != rows:
                raise InvalidQuestion(part="publish", detail=f"{request.finish.rows} rows were sent, {rows} came")
            return
        deletes = request.batch.deletes
        batch = read_batch(request.batch.arrow_batch, order.deletes_schema if deletes else order.schema)
        rows += batch.num_rows
        await session.take(batch, deletes)
    raise InvalidQuestion(part="publish", detail="the input ended without its finish; nothing was published")


def _order(header: admin_pb2.PublishHeader) -> PublishOrder:
    if not _WRITE_ID.fullmatch(header.write_id):
        raise InvalidQuestion(part="write_id", detail="8 to 64 letters, digits or hyphens are needed")
    return PublishOrder(
        collection=header.collection,
        source=header.source,
        message=header.message,
        repair=header.repair,
        force_bounds=header.force_bounds,
        dry_run=header.dry_run,
        expected_rows=header.expected_rows,
        write_id=header.write_id,
        source_faults=read_faults(header.source_faults_json),
        schema=None if header.increment and not header.arrow_schema else read_schema(header.arrow_schema),
        increment=header.increment,
        deletes_schema=read_schema(header.deletes_schema) if header.deletes_schema else None,
        source_date=_source_date(header.source_date),
        new_series=header.new_series,
        expected_head=header.expected_head,
    )


def _source_date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError as failure:
        raise InvalidQuestion(part="source_date", detail=f"not a date of ISO 8601: {text}") from failure


def _result_to_proto(result: PublishResult) -> admin_pb2.PublishResult:
    return admin_pb2.PublishResult(
        dataset=None if result.record is None else dataset_to_proto(result.record),
        published=result.published,
        report_json=result.report.to_json(),
        seconds=result.seconds,
        change=None if result.change is None else change_to_proto(result.change),
        bytes=result.size_bytes,
    )


class _ProgressBox:
    """Hands progress from worker threads to the event loop; slow readers see fewer frames, never stale ones."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._newest: dict[str, admin_pb2.PublishProgress] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, stage: str, rows: int, total: int) -> None:
        """Note progress, from any thread."""
        self._loop.call_soon_threadsafe(self._put, admin_pb2.PublishProgress(stage=stage, rows=rows, total=total))

    def _put(self, frame: admin_pb2.PublishProgress) -> None:
        self._newest[frame.stage] = frame
        self._changed.set()

    def close(self) -> None:
        """End the frames."""
        self._closed = True
        self._changed.set()

    async def frames(self) -> AsyncIterator[admin_pb2.PublishProgress]:
        """Yield what is new, until closed."""
        while not self._closed or self._newest:
            if not self._newest:
                await self._changed.wait()
            self._changed.clear()
            frames, self._newest = list(self._newest.values()), {}
            for frame in frames:
                yield frame
