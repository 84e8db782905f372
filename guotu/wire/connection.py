"""A connection over a node's local socket, on which its operator's services are served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from guotu.wire.endpoint import blocking_channel
from guotu.wire.request_id import METADATA_KEY, new_request_id
from guotu.wire.status import error_of_call


class LocalClient:
    """A connection to one node's admin socket; calls that are under way end when it is closed."""

    def __init__(self, socket: Path) -> None:
        self._address = f"unix:{socket.absolute()}"
        self._channel = blocking_channel(self._address)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._channel.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise what the node raised, in place of what gRPC makes of it."""
        try:
            yield
        except grpc.RpcError as failure:
            raise error_of_call(failure, self._address) from failure


def request_id() -> tuple[tuple[str, str], ...]:
    """Return metadata that name a call."""
    return ((METADATA_KEY, new_request_id()),)
