"""Handing over by an operator, over the node's local socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from guotu.model.draining import DrainState
from guotu.v1 import admin_pb2, admin_pb2_grpc
from guotu.wire.connection import LocalClient, request_id

TIMEOUT = 60.0
"""Deadline of Resume in seconds."""


class DrainClient(LocalClient):
    """A connection to one node's admin socket. Closing it does not end the handing over."""

    def __init__(self, socket: Path) -> None:
        super().__init__(socket)
        self._stub = admin_pb2_grpc.AdminServiceStub(self._channel)

    def drain(self) -> Iterator[DrainState]:
        """Have the node hand over; yields how far it is, the last time once no question is under way.

        Raises:
            NodeUnavailable: no node listens on the socket.
            Conflict: somebody else has had the node resume meanwhile.
        """
        call = self._stub.Drain(admin_pb2.DrainRequest(), metadata=request_id())
        with self._streaming(call):
            for response in call:
                yield drain_from_proto(response)

    def resume(self) -> bool:
        """Have the node take its part again; tells whether it was being drained.

        Raises:
            NodeUnavailable: no node listens on the socket.
        """
        with self._errors():
            response = self._stub.Resume(admin_pb2.ResumeRequest(), timeout=TIMEOUT, metadata=request_id())
        return bool(response.changed)


def drain_to_proto(state: DrainState) -> admin_pb2.DrainResponse:
    """Return the wire value."""
    return admin_pb2.DrainResponse(
        running=state.running, waiting=state.waiting, told=state.told, drained=state.drained, alone=state.alone
    )


def drain_from_proto(response: admin_pb2.DrainResponse) -> DrainState:
    """Return the model value."""
    return DrainState(response.running, response.waiting, response.told, response.drained, tuple(response.alone))
