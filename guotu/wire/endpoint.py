"""Channels and servers: the only place that makes them, so that TLS, sizes and keepalive are set once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

MAX_REQUEST_BYTES = 4 << 20
"""Largest request message that a node takes, but for questions."""
MAX_QUESTION_BYTES = 36 << 20
"""Largest question that a node takes: 32 MiB of zones, and room for its other parts."""
MAX_MESSAGE_BYTES = 64 << 20
"""Largest answer message that a client takes; nodes send about 1 MiB."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of one identity; with `ca` set both sides prove who they are (mutual TLS)."""

    cert: Path
    key: Path
    ca: Path

    def client(self) -> grpc.ChannelCredentials:
        """Return what a client shows and trusts."""
        return grpc.ssl_channel_credentials(self.ca.read_bytes(), self.key.read_bytes(), self.cert.read_bytes())

    def server(self) -> grpc.ServerCredentials:
        """Return what a server shows and demands."""
        pair = (self.key.read_bytes(), self.cert.read_bytes())
        return grpc.ssl_server_credentials([pair], self.ca.read_bytes(), require_client_auth=True)


_CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_metadata_size", 64 << 10),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Channels of one address would share a subchannel and with it the wait between attempts to connect.
    ("grpc.use_local_subchannel_pool", 1),
    # A proxy meant for the web (http_proxy) must not come between nodes.
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.http2.lookahead_bytes", 4 << 20),
)
_SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.max_concurrent_streams", 256),
    ("grpc.max_metadata_size", 64 << 10),
    ("grpc.so_reuseport", 0),
)


def blocking_channel(address: str, tls: TlsFiles | None = None) -> grpc.Channel:
    """Return a blocking channel to "host:port" or "unix:PATH"."""
    if tls is None:
        return grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
    return grpc.secure_channel(address, tls.client(), options=_CHANNEL_OPTIONS)


def async_channel(address: str, tls: TlsFiles | None = None) -> grpc.aio.Channel:
    """Return an asyncio channel to "host:port" or "unix:PATH"."""
    if tls is None:
        return grpc.aio.insecure_channel(address, options=_CHANNEL_OPTIONS)
    return grpc.aio.secure_channel(address, tls.client(), options=_CHANNEL_OPTIONS)


def new_server(
    max_request_bytes: int = MAX_REQUEST_BYTES, interceptors: Sequence[grpc.aio.ServerInterceptor] = ()
) -> grpc.aio.Server:
    """Return an asyncio server that is not yet bound."""
    options = [option for option in _SERVER_OPTIONS if option[0] != "grpc.max_receive_message_length"]
    options.append(("grpc.max_receive_message_length", max_request_bytes))
    return grpc.aio.server(interceptors=tuple(interceptors), options=options)


def bind(server: grpc.aio.Server, address: str, tls: TlsFiles | None = None) -> int:
    """Bind a server to "host:port" or "unix:PATH"; returns the port.

    Raises:
        OSError: the address cannot be bound.
    """
    try:
        if tls is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, tls.server())
    except RuntimeError as failure:
        raise OSError(f"cannot bind {address}: {failure}") from failure


def add_health_and_reflection(server: grpc.aio.Server, services: tuple[str, ...]) -> health.aio.HealthServicer:
    """Add grpc.health.v1 and reflection for `services`; returns the health servicer to set states on."""
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection((*services, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return servicer
