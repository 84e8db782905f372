"""The operator's side of `guotu.v1.PackageService`: versions to files and from files, over the node's local socket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

from guotu.v1 import common_pb2, package_pb2, package_pb2_grpc
from guotu.wire.care import WorkProgress
from guotu.wire.connection import LocalClient, request_id


@dataclass(frozen=True, slots=True)
class PackageSummary:
    """What a package has, or what was taken from it; see PackageSummary in proto/guotu/v1/package.proto."""

    cut: Mapping[str, int]
    """Dataset id to the newest version in it."""
    versions: int
    objects: int
    size_bytes: int
    taken: int
    """Versions that were new to the importing node."""


class PackagesClient(LocalClient):
    """A connection to one node's admin socket.

    When it is closed, an export under way ends without a file, an import after a whole version.
    """

    def __init__(self, socket: Path) -> None:
        super().__init__(socket)
        self._stub = package_pb2_grpc.PackageServiceStub(self._channel)

    def export(
        self, datasets: Sequence[str], since: Mapping[str, int], path: Path
    ) -> Iterator[WorkProgress | PackageSummary]:
        """Write versions to a file of the node's machine; yields progress ("export", bytes), then the result.

        Raises:
            NodeUnavailable: no node listens on the socket, or the connection was lost; no file is left then.
            GuotuError: what the node refused.
        """
        request = package_pb2.ExportPackageRequest(
            datasets=datasets, since=common_pb2.Cut(versions=dict(since)), path=str(path)
        )
        call = self._stub.ExportPackage(request, metadata=request_id())
        yield from self._frames(call)

    def take(self, path: Path, trust: Mapping[str, str]) -> Iterator[WorkProgress | PackageSummary]:
        """Import a file of the node's machine; yields progress, then the result.

        Stages are "verify" and "import", in bytes, and "load", in rows of the version under way.

        Raises:
            NodeUnavailable: no node listens on the socket, or the connection was lost; what was taken stays.
            GuotuError: what the node refused.
        """
        request = package_pb2.ImportPackageRequest(path=str(path), trust=dict(trust))
        call = self._stub.ImportPackage(request, metadata=request_id())
        yield from self._frames(call)

    def _frames(self, call: grpc.Call) -> Iterator[WorkProgress | PackageSummary]:
        with self._streaming(call):
            for response in call:  # type: ignore[attr-defined]
                yield _frame(response)


def _frame(
    response: package_pb2.ExportPackageResponse | package_pb2.ImportPackageResponse,
) -> WorkProgress | PackageSummary:
    if response.WhichOneof("frame") == "progress":
        progress = response.progress
        return WorkProgress(progress.stage, progress.done, progress.total)
    told = response.result
    return PackageSummary(dict(told.cut.versions), told.versions, told.objects, told.bytes, told.taken)
