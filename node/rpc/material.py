"""guotu.v1.MaterialService: tables for local GIS users, on the node's own socket only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Protocol

from guotu.model.material import Materialized, MaterialStatus
from guotu.v1 import material_pb2, material_pb2_grpc, progress_pb2
from node.rpc.gate import Context, Gate
from node.rpc.work import Report, Work


class Materials(Protocol):
    """What the operator's service needs of the node's desk."""

    async def materialize(self, dataset: str, into: str, check: bool, progress: Report) -> Materialized:
        """Make a dataset's table if it has none, and bring it to the head; `check` compares all of its rows.

        Raises:
            GuotuError: it cannot be done; nothing is changed then.
        """

    async def dematerialize(self, subject: str) -> MaterialStatus:
        """Drop a table, named by itself or by its dataset; returns how it stood.

        Raises:
            NotFound: there is none.
            Conflict: others depend on it.
        """

    def status(self) -> Sequence[MaterialStatus]:
        """Return how each table stands, by dataset."""


class MaterialServicer(material_pb2_grpc.MaterialServiceServicer):
    """Serves the operator."""

    def __init__(self, gate: Gate, materials: Materials) -> None:
        self._gate = gate
        self._materials = materials

    async def Materialize(
        self, request: material_pb2.MaterializeRequest, context: Context
    ) -> AsyncIterator[material_pb2.MaterializeResponse]:
        """Make a table, or bring it to the newest version."""
        async for response in self._gate.streaming(context, "Materialize", lambda: self._materialize(request)):
            yield response

    async def _materialize(
        self, request: material_pb2.MaterializeRequest
    ) -> AsyncIterator[material_pb2.MaterializeResponse]:
        work = Work(lambda report: self._materials.materialize(request.dataset, request.into, request.check, report))
        async with aclosing(work.frames()) as frames:  # type: ignore[type-var]
            async for frame in frames:
                if isinstance(frame, progress_pb2.WorkProgress):
                    yield material_pb2.MaterializeResponse(progress=frame)
                else:
                    yield material_pb2.MaterializeResponse(result=_result_to_proto(frame))

    async def Dematerialize(
        self, request: material_pb2.DematerializeRequest, context: Context
    ) -> material_pb2.DematerializeResponse:
        """Drop a table."""

        async def work() -> material_pb2.DematerializeResponse:
            dropped = await self._materials.dematerialize(request.subject)
            return material_pb2.DematerializeResponse(material=_status_to_proto(dropped))

        return await self._gate.unary(context, "Dematerialize", work)

    async def ListMaterials(
        self, request: material_pb2.ListMaterialsRequest, context: Context
    ) -> material_pb2.ListMaterialsResponse:
        """Tell how tables stand."""

        async def work() -> material_pb2.ListMaterialsResponse:
            return material_pb2.ListMaterialsResponse(materials=map(_status_to_proto, self._materials.status()))

        return await self._gate.unary(context, "ListMaterials", work)


def _result_to_proto(done: Materialized) -> material_pb2.MaterializeResult:
    return material_pb2.MaterializeResult(
        material=_status_to_proto(done.status),
        created=done.created,
        inserted=done.inserted,
        updated=done.updated,
        deleted=done.deleted,
    )


def _status_to_proto(status: MaterialStatus) -> material_pb2.MaterialStatus:
    return material_pb2.MaterialStatus(**asdict(status))
