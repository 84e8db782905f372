"""A care service and a node that compares versions, which answer as they are told, for tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
import pyarrow as pa

from guotu.model.errors import GuotuError
from guotu.v1 import care_pb2, care_pb2_grpc, directory_pb2_grpc, progress_pb2, version_pb2, version_pb2_grpc
from guotu.wire.diffs import DiffHeader, batch_to_proto, header_to_proto
from guotu.wire.status import status_of
from tests.support.canned_node import CannedServicer, Script

SOUND = care_pb2.VerifyResult(dataset="510000/dltb", version=3, rows=890, digest="ab" * 32, expected="ab" * 32)
UNSOUND = care_pb2.VerifyResult(
    dataset="510000/dltb", version=3, rows=889, digest="cd" * 32, expected="ab" * 32, buckets=[7, 4000],
    keys=[care_pb2.DifferingKey(key="51010401", how="changed"), care_pb2.DifferingKey(key="51010402", how="missing")],
    differing=2, damaged_objects=["objects/sha256/ab/abab.parquet"],
)  # fmt: skip
GARBAGE = care_pb2.CollectGarbageResponse(
    versions=[care_pb2.GarbageVersion(dataset="510000/dltb", version=1)], tombstoned=2, tombstoned_bytes=3 << 20,
    swept=4, swept_bytes=5 << 10, waiting=6,
)  # fmt: skip


@dataclass
class CannedCare(care_pb2_grpc.CareServiceServicer):
    """What the service says, and what it was asked."""

    result: care_pb2.VerifyResult = field(default_factory=lambda: SOUND)
    changed: bool = True
    error: GuotuError | None = None
    asked: list[Any] = field(default_factory=list)

    def add_to(self, server: grpc.Server) -> None:
        """Serve on a server."""
        care_pb2_grpc.add_CareServiceServicer_to_server(self, server)

    def Verify(self, request: Any, context: Any) -> Iterator[care_pb2.VerifyResponse]:
        self._hear(request, context)
        for stage, total in (("objects", 100), ("rows", 890)):
            for done in (0, total):
                progress = progress_pb2.WorkProgress(stage=stage, done=done, total=total)
                yield care_pb2.VerifyResponse(progress=progress)
        yield care_pb2.VerifyResponse(result=self.result)

    def PinVersion(self, request: Any, context: Any) -> care_pb2.PinVersionResponse:
        self._hear(request, context)
        return care_pb2.PinVersionResponse(changed=self.changed)

    def CollectGarbage(self, request: Any, context: Any) -> care_pb2.CollectGarbageResponse:
        self._hear(request, context)
        return GARBAGE

    def _hear(self, request: Any, context: Any) -> None:
        self.asked.append(request)
        if self.error is not None:
            abort(context, self.error)


class ComparingServicer(CannedServicer):
    """Compares versions as it is told."""

    def __init__(self, batches: list[pa.RecordBatch], schema: pa.Schema) -> None:
        super().__init__(Script())
        self.batches = batches
        self.schema = schema
        self.error: GuotuError | None = None
        """Raised after the batches."""
        self.asked: list[Any] = []

    def Diff(self, request: Any, context: Any) -> Iterator[version_pb2.DiffResponse]:
        self.asked.append(request)
        yield header_to_proto(DiffHeader(request.since, request.until or 9, self.schema))
        for batch in self.batches:
            yield from batch_to_proto(batch)
        if self.error is not None:
            abort(context, self.error)


class ComparingNode:
    """A server on a free port that compares versions and lists collections."""

    def __init__(self, servicer: ComparingServicer) -> None:
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        version_pb2_grpc.add_VersionServiceServicer_to_server(servicer, self._server)
        directory_pb2_grpc.add_DirectoryServiceServicer_to_server(servicer, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        """Stop at once."""
        self._server.stop(None).wait()


def abort(context: Any, error: GuotuError) -> None:
    """End a call with an error."""
    code, message, trailing = status_of(error)
    context.set_trailing_metadata(trailing)
    context.abort(code, message)
