"""A blocking connection to one node: how it ends, and what becomes of errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from guotu.wire.endpoint import TlsFiles, blocking_channel
from guotu.wire.feed import Feed
from guotu.wire.request_id import METADATA_KEY, new_request_id
from guotu.wire.status import error_of_call


class Connection:
    """A connection to one node; calls that are under way end when it is closed."""

    def __init__(self, address: str, tls: TlsFiles | None = None) -> None:
        self._address = address
        self._channel = blocking_channel(address, tls)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; closing it again changes nothing."""
        self._channel.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise what the node raised, in place of what gRPC makes of it."""
        began = time.monotonic()
        try:
            yield
        except grpc.RpcError as failure:
            raise error_of_call(failure, self._address, time.monotonic() - began) from failure

    @contextmanager
    def _streaming(self, call: Any, feed: Feed[Any] | None = None) -> Iterator[None]:
        """Read a stream; whoever stops reading cancels the call. What went wrong in `feed` is raised first."""
        began = time.monotonic()
        try:
            yield
        except grpc.RpcError as failure:
            if feed is not None and feed.failure is not None:
                raise feed.failure from None
            raise error_of_call(failure, self._address, time.monotonic() - began) from failure
        finally:
            call.cancel()


class LocalClient(Connection):
    """A connection to one node's admin socket, on which its operator's services are served."""

    def __init__(self, socket: Path) -> None:
        super().__init__(f"unix:{socket.absolute()}")


def request_id() -> tuple[tuple[str, str], ...]:
    """Return metadata that name a call."""
    return ((METADATA_KEY, new_request_id()),)
