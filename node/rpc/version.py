"""guotu.v1.VersionService: versions of datasets held here, or asked of their owner."""

from __future__ import annotations

from guotu.model.division import split_dataset
from guotu.model.errors import InvalidQuestion, UnknownNode
from guotu.model.ports import Directory
from guotu.model.records import VersionInfo
from guotu.v1 import version_pb2, version_pb2_grpc
from guotu.wire.peers import GrpcPeers
from guotu.wire.versions import version_to_proto
from node.rpc.gate import Context, Gate
from sync.versions import Versions


class VersionServicer(version_pb2_grpc.VersionServiceServicer):
    """Lists versions and hands out manifests."""

    def __init__(
        self, gate: Gate, versions: Versions, public_key: bytes, directory: Directory, peers: GrpcPeers
    ) -> None:
        self._gate = gate
        self._public_key = public_key
        self._versions = versions
        self._directory = directory
        self._peers = peers

    async def ListVersions(
        self, request: version_pb2.ListVersionsRequest, context: Context
    ) -> version_pb2.ListVersionsResponse:
        """List the retained versions, newest first."""

        async def work() -> version_pb2.ListVersionsResponse:
            infos = await self._list(request.dataset, self._gate.timeout(context))
            return version_pb2.ListVersionsResponse(versions=[version_to_proto(info) for info in infos])

        return await self._gate.unary(context, "ListVersions", work)

    async def _list(self, dataset: str, timeout: float) -> list[VersionInfo]:
        owner, _ = _split(dataset)
        if owner == self._gate.node:
            return await self._versions.list_versions(dataset)
        record = self._directory.view().nodes.get(owner)
        if record is None:
            raise UnknownNode(node=owner)
        return await self._peers.versions(record.address, dataset, timeout)

    async def GetManifest(
        self, request: version_pb2.GetManifestRequest, context: Context
    ) -> version_pb2.GetManifestResponse:
        """Return one signed manifest of a dataset held here."""

        async def work() -> version_pb2.GetManifestResponse:
            _split(request.dataset)
            signed = await self._versions.read_manifest(request.dataset, request.version)
            return version_pb2.GetManifestResponse(
                manifest_json=signed.data, signature=signed.signature, public_key=self._public_key
            )

        return await self._gate.unary(context, "GetManifest", work)


def _split(dataset: str) -> tuple[str, str]:
    try:
        return split_dataset(dataset)
    except ValueError as failure:
        raise InvalidQuestion(part="dataset", detail=str(failure)) from failure
