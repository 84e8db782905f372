"""The asyncio client by which nodes fetch versions of each other; adapter of `guotu.model.ports.Holder`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import grpc.aio

from guotu.model.errors import NodeUnavailable
from guotu.v1 import replication_pb2, replication_pb2_grpc
from guotu.wire.peers import GrpcPeers
from guotu.wire.request_id import METADATA_KEY, current_request_id
from guotu.wire.status import error_of_call


class GrpcHolders:
    """Fetches over the channels of a `GrpcPeers`: best of its own, so that questions do not wait behind objects."""

    def __init__(self, peers: GrpcPeers) -> None:
        self._peers = peers

    async def manifest(self, address: str, dataset: str, name: str, timeout: float) -> tuple[bytes, bytes]:
        """Return (manifest, signature), not yet checked. Raises what the node raised, or NodeUnavailable."""
        stub = replication_pb2_grpc.ReplicationServiceStub(self._peers.channel(address))
        request = replication_pb2.GetSignedManifestRequest(dataset=dataset, name=name)
        try:
            response = await stub.GetSignedManifest(request, timeout=timeout, metadata=_metadata())
        except grpc.aio.AioRpcError as failure:
            raise error_of_call(failure, address) from failure
        return response.manifest_json, response.signature

    async def definition(self, address: str, digest: str, timeout: float) -> bytes:
        """Return a definition, not yet checked. Raises what the node raised, or NodeUnavailable."""
        stub = replication_pb2_grpc.ReplicationServiceStub(self._peers.channel(address))
        request = replication_pb2.GetDefinitionRequest(digest=digest)
        try:
            response = await stub.GetDefinition(request, timeout=timeout, metadata=_metadata())
        except grpc.aio.AioRpcError as failure:
            raise error_of_call(failure, address) from failure
        return bytes(response.definition_json)

    async def read_object(
        self, address: str, sha256: str, offset: int, length: int, timeout: float
    ) -> AsyncIterator[bytes]:
        """Stream bytes of an object, not yet checked; `timeout` in seconds between parts.

        Raises what the node raised, or NodeUnavailable, also where nothing comes for so long.
        """
        stub = replication_pb2_grpc.ReplicationServiceStub(self._peers.channel(address))
        request = replication_pb2.ReadObjectRequest(sha256=sha256, offset=offset, length=length)
        call = stub.ReadObject(request, metadata=_metadata())
        try:
            while True:
                async with asyncio.timeout(timeout):
                    response = await call.read()
                if not isinstance(response, replication_pb2.ReadObjectResponse):
                    return
                yield response.data
        except TimeoutError as failure:
            raise NodeUnavailable(address=address, detail=f"{timeout:g} 秒无数据 silent for {timeout:g} s") from failure
        except grpc.aio.AioRpcError as failure:
            raise error_of_call(failure, address) from failure
        finally:
            call.cancel()


def _metadata() -> tuple[tuple[str, str], ...]:
    return ((METADATA_KEY, current_request_id()),)
