"""The gate every call passes: request id, readiness, deadline, errors to status, log line, metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import TypeVar

import grpc
import grpc.aio
import structlog

from guotu.model.disk import is_full, store_failure
from guotu.model.errors import DeadlineExceeded, GuotuError, Internal
from guotu.wire.request_id import METADATA_KEY, accept_request_id
from guotu.wire.status import status_of
from node.metrics import Metrics
from node.readiness import Readiness
from node.rpc.caller import caller_of
from node.turns import Turns

T = TypeVar("T")
Context = grpc.aio.ServicerContext[object, object]
_log = structlog.get_logger(__name__)


class Gate:
    """Wraps the work behind the node's methods."""

    def __init__(
        self, node: str, readiness: Readiness, metrics: Metrics, default_timeout_s: float, turns: Turns | None = None
    ) -> None:
        """Take the node's id and state, the deadline of calls without one, and turns of work (None: nobody waits)."""
        self.node = node
        self._readiness = readiness
        self._metrics = metrics
        self._default_timeout_s = default_timeout_s
        self._turns = turns

    def timeout(self, context: Context) -> float:
        """Return the seconds that the caller allows, or the node's default.

        Raises:
            DeadlineExceeded: nothing is left.
        """
        left = context.time_remaining()
        if left is None or left > 1e9:
            return self._default_timeout_s
        if left <= 0:
            raise DeadlineExceeded(node=self.node, seconds=0)
        return left

    async def unary(self, context: Context, method: str, work: Callable[[], Awaitable[T]], weighs: bool = False) -> T:
        """Run a call with one response; one that `weighs` as a question does waits for its turn."""
        started = self._enter(context)
        try:
            self._readiness.require()
            async with self._turn(context) if weighs else nullcontext():
                response = await work()
        except BaseException as failure:
            await self._fail(context, method, started, failure)
            raise
        self._leave(method, started, grpc.StatusCode.OK)
        return response

    async def streaming(
        self, context: Context, method: str, work: Callable[[], AsyncIterator[T]], aside: bool = False
    ) -> AsyncIterator[T]:
        """Run a call with a stream of responses; the caller's cancellation closes the work. `aside`: see `Turns`."""
        started = self._enter(context)
        try:
            self._readiness.require()
            async with self._turn(context, aside), aclosing(work()) as responses:  # type: ignore[type-var]
                async for response in responses:
                    yield response
        except GeneratorExit:
            self._leave(method, started, grpc.StatusCode.CANCELLED)
            raise
        except BaseException as failure:
            await self._fail(context, method, started, failure)
            raise
        self._leave(method, started, grpc.StatusCode.OK)

    def _turn(self, context: Context, aside: bool = False) -> AbstractAsyncContextManager[None]:
        if self._turns is None:
            return nullcontext()
        return self._turns.turn(caller_of(context), self.timeout(context), aside)

    def _enter(self, context: Context) -> float:
        metadata = dict(context.invocation_metadata() or ())
        offered = metadata.get(METADATA_KEY)
        request_id = accept_request_id(offered if isinstance(offered, str) else None)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        return time.perf_counter()

    async def _fail(self, context: Context, method: str, started: float, failure: BaseException) -> None:
        """End the call with the status of a failure; cancellation goes on by itself."""
        if isinstance(failure, asyncio.CancelledError):
            self._leave(method, started, grpc.StatusCode.CANCELLED)
            return
        error = failure if isinstance(failure, GuotuError) else _unexpected(failure)
        code, message, trailing = status_of(error)
        self._leave(method, started, code, error=error.reason, detail=message)
        await context.abort(code, message, trailing)

    def _leave(self, method: str, started: float, code: grpc.StatusCode, **facts: str) -> None:
        seconds = time.perf_counter() - started
        self._metrics.requests.labels(method, code.name).inc()
        self._metrics.seconds.labels(method).observe(seconds)
        _log.info("call", method=method, code=code.name, ms=round(seconds * 1000, 2), **facts)


def _unexpected(failure: BaseException) -> GuotuError:
    """A fault of our own: the log has the trace, the caller its kind. A full disk is none, and is told."""
    if isinstance(failure, OSError) and is_full(failure):
        return store_failure("暂存文件 scratch files (scratch/)", failure)
    _log.error("unexpected_failure", exc_info=failure)
    return Internal(detail=type(failure).__name__)
