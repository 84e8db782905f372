"""A service of tables for GIS users that answers as it is told, for tests of the operator's commands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc

from guotu.model.errors import GuotuError
from guotu.model.material import MaterialStatus
from guotu.v1 import material_pb2, material_pb2_grpc, progress_pb2
from tests.support.canned_care import abort

CURRENT = MaterialStatus("510000/dltb", "gis.dltb", 12, 12, 0, "current", 1000, 1_700_000_000_000)
APPLYING = MaterialStatus("500000/dltb", "gis.cq", 3, 5, 7_384_000, "applying", 21, 1_700_000_000_000, 50, 200)
STUCK = MaterialStatus(
    "520000/dltb", "gis.gz", 3, 4, 60_000, "stuck", 9, 1_700_000_000_000, 0, 0, "视图 v 在用\nview v needs it",
    1_700_000_060_000,
)  # fmt: skip


@dataclass
class CannedMaterials(material_pb2_grpc.MaterialServiceServicer):
    """What the service says, and what it was asked."""

    created: bool = True
    counts: tuple[int, int, int] = (1000, 0, 0)
    """Rows inserted, updated, deleted."""
    error: GuotuError | None = None
    asked: list[Any] = field(default_factory=list)

    def add_to(self, server: grpc.Server) -> None:
        """Serve on a server."""
        material_pb2_grpc.add_MaterialServiceServicer_to_server(self, server)

    def Materialize(self, request: Any, context: Any) -> Iterator[material_pb2.MaterializeResponse]:
        self._hear(request, context)
        for stage in ("load", "index"):
            progress = progress_pb2.WorkProgress(stage=stage, done=1000, total=1000)
            yield material_pb2.MaterializeResponse(progress=progress)
        inserted, updated, deleted = self.counts
        yield material_pb2.MaterializeResponse(
            result=material_pb2.MaterializeResult(
                material=_status(CURRENT), created=self.created, inserted=inserted, updated=updated, deleted=deleted
            )
        )

    def Dematerialize(self, request: Any, context: Any) -> material_pb2.DematerializeResponse:
        self._hear(request, context)
        return material_pb2.DematerializeResponse(material=_status(CURRENT))

    def ListMaterials(self, request: Any, context: Any) -> material_pb2.ListMaterialsResponse:
        self._hear(request, context)
        return material_pb2.ListMaterialsResponse(materials=map(_status, (APPLYING, CURRENT, STUCK)))

    def _hear(self, request: Any, context: Any) -> None:
        self.asked.append(request)
        if self.error is not None:
            abort(context, self.error)


def _status(status: MaterialStatus) -> material_pb2.MaterialStatus:
    return material_pb2.MaterialStatus(**asdict(status))
