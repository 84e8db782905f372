"""The operator's side of `guotu.v1.MaterialService`: tables for local GIS users, over the node's local socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from guotu.model.material import Materialized, MaterialStatus
from guotu.v1 import material_pb2, material_pb2_grpc
from guotu.wire.care import WorkProgress
from guotu.wire.connection import LocalClient, request_id

TIMEOUT = 120.0
"""Deadline of a call in seconds; making a table has none."""


class MaterialsClient(LocalClient):
    """A connection to one node's admin socket. When it is closed, work under way ends, and changes nothing."""

    def __init__(self, socket: Path) -> None:
        super().__init__(socket)
        self._stub = material_pb2_grpc.MaterialServiceStub(self._channel)

    def materialize(self, dataset: str, into: str, check: bool = False) -> Iterator[WorkProgress | Materialized]:
        """Make a dataset's table, or bring it to the newest version; yields progress, then the result.

        Args:
            dataset: dataset id.
            into: "schema.table".
            check: compare all rows with the version, and put right what differs.

        Raises:
            InvalidQuestion, UnknownDataset, Conflict, StoreFailure, NodeUnavailable, ...: what the node raised.
        """
        request = material_pb2.MaterializeRequest(dataset=dataset, into=into, check=check)
        call = self._stub.Materialize(request, metadata=request_id())
        with self._streaming(call):
            for response in call:
                yield _frame(response)

    def dematerialize(self, subject: str) -> MaterialStatus:
        """Drop a table, named "schema.table" or by its dataset; returns how it stood.

        Raises:
            NotFound: there is none.
            Conflict: others depend on it.
            NodeUnavailable: no node listens on the socket.
        """
        request = material_pb2.DematerializeRequest(subject=subject)
        with self._errors():
            response = self._stub.Dematerialize(request, timeout=TIMEOUT, metadata=request_id())
        return status_from_proto(response.material)

    def materials(self) -> tuple[MaterialStatus, ...]:
        """Return how tables stand, sorted by dataset.

        Raises:
            NodeUnavailable: no node listens on the socket.
        """
        request = material_pb2.ListMaterialsRequest()
        with self._errors():
            response = self._stub.ListMaterials(request, timeout=TIMEOUT, metadata=request_id())
        return tuple(map(status_from_proto, response.materials))


def _frame(response: material_pb2.MaterializeResponse) -> WorkProgress | Materialized:
    if response.WhichOneof("frame") == "progress":
        progress = response.progress
        return WorkProgress(progress.stage, progress.done, progress.total)
    result = response.result
    status = status_from_proto(result.material)
    return Materialized(status, result.created, result.inserted, result.updated, result.deleted)


def status_from_proto(status: material_pb2.MaterialStatus) -> MaterialStatus:
    """Return how a table stands, from the wire."""
    return MaterialStatus(
        dataset=status.dataset,
        table=status.table,
        version=status.version,
        head=status.head,
        lag_ms=status.lag_ms,
        state=status.state,
        rows=status.rows,
        applied_ms=status.applied_ms,
        done_rows=status.done_rows,
        total_rows=status.total_rows,
        last_error=status.last_error,
        next_try_ms=status.next_try_ms,
    )
