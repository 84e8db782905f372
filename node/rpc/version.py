"""guotu.v1.VersionService: versions of datasets held here, or asked of their owner, and how they differ."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from guotu.model.division import split_dataset
from guotu.model.errors import InvalidQuestion, UnknownNode, UnknownVersion
from guotu.model.gateway import gateway
from guotu.model.ports import Directory
from guotu.model.records import VersionInfo
from guotu.model.schema import change_schema
from guotu.v1 import version_pb2, version_pb2_grpc
from guotu.wire.diffs import DiffFrame, DiffHeader, PeerDiffs, batch_to_proto, header_to_proto
from guotu.wire.peers import GrpcPeers
from guotu.wire.versions import version_to_proto
from node.holdings import Holdings
from node.rpc.gate import Context, Gate
from sync.differences import Differences
from sync.versions import Versions


class VersionServicer(version_pb2_grpc.VersionServiceServicer):
    """Lists versions, hands out manifests and compares versions."""

    def __init__(
        self,
        gate: Gate,
        versions: Versions,
        public_key: bytes,
        directory: Directory,
        peers: GrpcPeers,
        holdings: Holdings,
        differences: Differences,
    ) -> None:
        self._gate = gate
        self._public_key = public_key
        self._versions = versions
        self._directory = directory
        self._peers = peers
        self._holdings = holdings
        self._differences = differences
        self._diffs = PeerDiffs(peers.channel)

    async def ListVersions(
        self, request: version_pb2.ListVersionsRequest, context: Context
    ) -> version_pb2.ListVersionsResponse:
        """List the retained versions, newest first: those here if the dataset is held whole, else the owner's."""

        async def work() -> version_pb2.ListVersionsResponse:
            infos = await self._list(request.dataset, self._gate.timeout(context))
            return version_pb2.ListVersionsResponse(versions=[version_to_proto(info) for info in infos])

        return await self._gate.unary(context, "ListVersions", work)

    async def _list(self, dataset: str, timeout: float) -> list[VersionInfo]:
        owner, _ = _split(dataset)
        if owner == self._gate.node or self._holds(dataset):
            return await self._versions.list_versions(dataset)
        return await self._peers.versions(self._address(owner), dataset, timeout)

    def _address(self, node: str) -> str:
        """Return who is asked for what a node has: the node, or the one through which it is reached."""
        door, record = gateway(node, self._gate.node, self._directory.view().nodes)
        if record is None:
            raise UnknownNode(node=door)
        return record.address

    async def GetManifest(
        self, request: version_pb2.GetManifestRequest, context: Context
    ) -> version_pb2.GetManifestResponse:
        """Return one signed manifest of a dataset held here."""

        async def work() -> version_pb2.GetManifestResponse:
            owner, _ = _split(request.dataset)
            signed = await self._versions.read_manifest(request.dataset, request.version)
            return version_pb2.GetManifestResponse(
                manifest_json=signed.data, signature=signed.signature, public_key=self._key_of(owner)
            )

        return await self._gate.unary(context, "GetManifest", work)

    def _key_of(self, node: str) -> bytes:
        """Return a publisher's key as it is registered; empty if it is not."""
        if node == self._gate.node:
            return self._public_key
        record = self._directory.view().nodes.get(node)
        return b"" if record is None else record.public_key

    async def Diff(self, request: version_pb2.DiffRequest, context: Context) -> AsyncIterator[version_pb2.DiffResponse]:
        """Stream how two versions differ: from here if the dataset is held, from its owner else."""

        def work() -> AsyncIterator[version_pb2.DiffResponse]:
            return self._diff(request, self._gate.timeout(context))

        async for response in self._gate.streaming(context, "Diff", work):
            yield response

    async def _diff(self, request: version_pb2.DiffRequest, timeout: float) -> AsyncIterator[version_pb2.DiffResponse]:
        owner, _ = _split(request.dataset)
        if request.since < 1 or request.until < 0:
            raise UnknownVersion(dataset=request.dataset, version=min(request.since, request.until))
        if owner != self._gate.node and not self._holds(request.dataset):
            address = self._address(owner)
            frames = self._diffs.diff(address, request.dataset, request.since, request.until, timeout)
        else:
            frames = self._compare(request.dataset, request.since, request.until)
        async with aclosing(frames) as reading:  # type: ignore[type-var]
            async for frame in reading:
                if isinstance(frame, DiffHeader):
                    yield header_to_proto(frame)
                else:
                    for part in batch_to_proto(frame):
                        yield part

    def _holds(self, dataset: str) -> bool:
        """Tell whether there is a whole replica here; one of an area cannot answer for its dataset."""
        return dataset in self._holdings.replicas()

    async def _compare(self, dataset: str, since: int, until: int) -> AsyncIterator[DiffFrame]:
        found = await self._differences.open(dataset, since, until)
        yield DiffHeader(found.since, found.until, change_schema(found.collection))
        async with aclosing(self._differences.batches(found)) as batches:  # type: ignore[type-var]
            async for batch in batches:
                yield batch


def _split(dataset: str) -> tuple[str, str]:
    try:
        return split_dataset(dataset)
    except ValueError as failure:
        raise InvalidQuestion(part="dataset", detail=str(failure)) from failure
