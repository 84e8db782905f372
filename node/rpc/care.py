"""guotu.v1.CareService: care of stored versions, on the node's own socket only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from guotu.v1 import care_pb2, care_pb2_grpc, progress_pb2
from node.care import CareDesk
from node.rpc.gate import Context, Gate
from node.rpc.work import Work
from sync.garbage import Collected
from sync.verify import Verification


class CareServicer(care_pb2_grpc.CareServiceServicer):
    """Serves the operator."""

    def __init__(self, gate: Gate, desk: CareDesk) -> None:
        self._gate = gate
        self._desk = desk

    async def Verify(self, request: care_pb2.VerifyRequest, context: Context) -> AsyncIterator[care_pb2.VerifyResponse]:
        """Recompute what is stored, and repair it if asked."""
        async for response in self._gate.streaming(context, "Verify", lambda: self._verify(request)):
            yield response

    async def _verify(self, request: care_pb2.VerifyRequest) -> AsyncIterator[care_pb2.VerifyResponse]:
        work = Work(lambda report: self._desk.verify(request.dataset, request.repair, report))
        async with aclosing(work.frames()) as frames:  # type: ignore[type-var]
            async for frame in frames:
                if isinstance(frame, progress_pb2.WorkProgress):
                    yield care_pb2.VerifyResponse(progress=frame)
                else:
                    yield care_pb2.VerifyResponse(result=_verification_to_proto(frame))

    async def PinVersion(self, request: care_pb2.PinVersionRequest, context: Context) -> care_pb2.PinVersionResponse:
        """Pin a version, or let it go."""

        async def work() -> care_pb2.PinVersionResponse:
            changed = await self._desk.pin(request.dataset, request.version, request.pinned, request.reason)
            return care_pb2.PinVersionResponse(changed=changed)

        return await self._gate.unary(context, "PinVersion", work)

    async def CollectGarbage(
        self, request: care_pb2.CollectGarbageRequest, context: Context
    ) -> care_pb2.CollectGarbageResponse:
        """Let versions go, mark and sweep."""

        async def work() -> care_pb2.CollectGarbageResponse:
            return _collected_to_proto(await self._desk.collect(request.dry_run))

        return await self._gate.unary(context, "CollectGarbage", work)


def _verification_to_proto(found: Verification) -> care_pb2.VerifyResult:
    return care_pb2.VerifyResult(
        dataset=found.dataset,
        version=found.version,
        rows=found.rows,
        digest=found.digest,
        expected=found.expected,
        buckets=found.buckets,
        keys=[care_pb2.DifferingKey(key=item.key, how=item.how) for item in found.keys],
        differing=found.differing,
        repaired=found.repaired,
        damaged_objects=found.damaged_objects,
        refetched_objects=found.refetched_objects,
    )


def _collected_to_proto(found: Collected) -> care_pb2.CollectGarbageResponse:
    return care_pb2.CollectGarbageResponse(
        versions=[care_pb2.GarbageVersion(dataset=dataset, version=version) for dataset, version in found.versions],
        tombstoned=found.tombstoned,
        tombstoned_bytes=found.tombstoned_bytes,
        swept=found.swept,
        swept_bytes=found.swept_bytes,
        waiting=found.waiting,
    )
