"""guotu.v1.PackageService: versions to files and from files, on the node's own socket only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from guotu.v1 import common_pb2, package_pb2, package_pb2_grpc, progress_pb2
from node.packages import PackageDesk
from node.rpc.gate import Context, Gate
from node.rpc.work import Work
from sync.package.summary import PackageSummary


class PackageServicer(package_pb2_grpc.PackageServiceServicer):
    """Serves the operator."""

    def __init__(self, gate: Gate, desk: PackageDesk) -> None:
        self._gate = gate
        self._desk = desk

    async def ExportPackage(
        self, request: package_pb2.ExportPackageRequest, context: Context
    ) -> AsyncIterator[package_pb2.ExportPackageResponse]:
        """Write versions to a file."""
        async for response in self._gate.streaming(context, "ExportPackage", lambda: self._export(request)):
            yield response

    async def _export(
        self, request: package_pb2.ExportPackageRequest
    ) -> AsyncIterator[package_pb2.ExportPackageResponse]:
        datasets, since = list(request.datasets), dict(request.since.versions)
        work = Work(lambda report: self._desk.export(datasets, since, request.path, report))
        async with aclosing(work.frames()) as frames:  # type: ignore[type-var]
            async for frame in frames:
                if isinstance(frame, progress_pb2.WorkProgress):
                    yield package_pb2.ExportPackageResponse(progress=frame)
                else:
                    yield package_pb2.ExportPackageResponse(result=_summary_to_proto(frame))

    async def ImportPackage(
        self, request: package_pb2.ImportPackageRequest, context: Context
    ) -> AsyncIterator[package_pb2.ImportPackageResponse]:
        """Take versions from a file."""
        async for response in self._gate.streaming(context, "ImportPackage", lambda: self._import(request)):
            yield response

    async def _import(
        self, request: package_pb2.ImportPackageRequest
    ) -> AsyncIterator[package_pb2.ImportPackageResponse]:
        work = Work(lambda report: self._desk.take(request.path, dict(request.trust), report))
        async with aclosing(work.frames()) as frames:  # type: ignore[type-var]
            async for frame in frames:
                if isinstance(frame, progress_pb2.WorkProgress):
                    yield package_pb2.ImportPackageResponse(progress=frame)
                else:
                    yield package_pb2.ImportPackageResponse(result=_summary_to_proto(frame))


def _summary_to_proto(told: PackageSummary) -> package_pb2.PackageSummary:
    return package_pb2.PackageSummary(
        cut=common_pb2.Cut(versions=dict(told.cut)),
        versions=told.versions,
        objects=told.objects,
        bytes=told.size_bytes,
        taken=told.taken,
    )
