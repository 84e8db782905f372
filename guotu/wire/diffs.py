"""How versions differ, over the wire: frames to protobuf and back, and the clients that ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import grpc
import grpc.aio
import pyarrow as pa

from guotu.model.errors import Internal
from guotu.v1 import version_pb2, version_pb2_grpc
from guotu.wire.connection import Connection, request_id
from guotu.wire.endpoint import TlsFiles
from guotu.wire.request_id import METADATA_KEY, current_request_id
from guotu.wire.status import error_of_call

MESSAGE_BYTES = 1 << 20
"""Size that batches are cut to, in Arrow buffers."""


@dataclass(frozen=True, slots=True)
class DiffHeader:
    """What is compared, and what the batches look like (`guotu.model.schema.change_schema`)."""

    since: int
    until: int
    schema: pa.Schema


DiffFrame: TypeAlias = DiffHeader | pa.RecordBatch
"""One header, then batches."""
Channel = Callable[[str], grpc.aio.Channel]
"""Returns a channel to an address that somebody else keeps open."""


def header_to_proto(header: DiffHeader) -> version_pb2.DiffResponse:
    """Return the first frame."""
    schema = header.schema.serialize().to_pybytes()
    message = version_pb2.DiffHeader(arrow_schema=schema, since=header.since, until=header.until)
    return version_pb2.DiffResponse(header=message)


def batch_to_proto(batch: pa.RecordBatch) -> Iterator[version_pb2.DiffResponse]:
    """Yield a batch as frames of about 1 MiB; none for a batch without rows."""
    step = max(1, batch.num_rows * MESSAGE_BYTES // max(batch.nbytes, 1))
    for start in range(0, batch.num_rows, step):
        yield version_pb2.DiffResponse(arrow_batch=batch.slice(start, step).serialize().to_pybytes())


class DiffReader:
    """Reads the frames of one difference."""

    def __init__(self) -> None:
        self._schema: pa.Schema | None = None

    def read(self, response: version_pb2.DiffResponse) -> DiffFrame:
        """Return a frame's value.

        Raises:
            Internal: the frames are not those of a difference.
        """
        try:
            return self._read(response)
        except (pa.ArrowInvalid, OSError) as failure:
            raise Internal(detail=f"not Arrow: {failure}") from failure

    def _read(self, response: version_pb2.DiffResponse) -> DiffFrame:
        if response.WhichOneof("frame") == "header":
            header = response.header
            self._schema = pa.ipc.read_schema(pa.py_buffer(header.arrow_schema))
            return DiffHeader(header.since, header.until, self._schema)
        if self._schema is None:
            raise Internal(detail="a difference begins without its header")
        return pa.ipc.read_record_batch(pa.py_buffer(response.arrow_batch), self._schema)


class PeerDiffs:
    """Asks other nodes how versions differ."""

    def __init__(self, channel: Channel) -> None:
        """Take what gives channels, such as `guotu.wire.peers.GrpcPeers.channel`."""
        self._channel = channel

    async def diff(
        self, address: str, dataset: str, since: int, until: int, timeout: float
    ) -> AsyncIterator[DiffFrame]:
        """Ask a node; `timeout` in seconds. Raises what the node raised, or NodeUnavailable."""
        stub = version_pb2_grpc.VersionServiceStub(self._channel(address))
        request = version_pb2.DiffRequest(dataset=dataset, since=since, until=until)
        call = stub.Diff(request, timeout=timeout, metadata=((METADATA_KEY, current_request_id()),))
        reader = DiffReader()
        try:
            async for response in call:
                yield reader.read(response)
        except grpc.aio.AioRpcError as failure:
            raise error_of_call(failure, address) from failure
        finally:
            call.cancel()


class DiffClient(Connection):
    """A blocking connection to one node. When it is closed, a difference under way ends."""

    def __init__(self, address: str, tls: TlsFiles | None, timeout: float) -> None:
        """Connect to "host:port"; `timeout` is the deadline of a difference, seconds."""
        super().__init__(address, tls)
        self._timeout = timeout

    def diff(self, dataset: str, since: int, until: int) -> Iterator[DiffFrame]:
        """Yield a header, then batches; version 0 is the head. Closing the iterator cancels the call.

        Raises:
            UnknownVersion, UnknownDataset, UnknownNode, NodeUnavailable, ...: what the node raised.
        """
        stub = version_pb2_grpc.VersionServiceStub(self._channel)
        request = version_pb2.DiffRequest(dataset=dataset, since=since, until=until)
        call = stub.Diff(request, timeout=self._timeout, metadata=request_id())
        reader = DiffReader()
        with self._streaming(call):
            for response in call:
                yield reader.read(response)
