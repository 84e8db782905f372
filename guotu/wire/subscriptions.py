"""The operator's side of `guotu.v1.SubscriptionService`: what a node replicates, over the node's local socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guotu.v1 import subscription_pb2, subscription_pb2_grpc
from guotu.wire.connection import LocalClient, request_id

MAX_AREA_BYTES = 3 << 20
"""Largest area sent, WKB; a node takes requests of 4 MiB."""
TIMEOUT = 60.0
"""Deadline of a call in seconds."""


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """How one replica stands; see ReplicaStatus in proto/guotu/v1/subscription.proto."""

    dataset: str
    subscription: str
    """Subject of the subscription that it belongs to."""
    version: int = 0
    """Version that it can answer from; 0 for none yet."""
    head: int = 0
    """The owner's head, as last known."""
    lag_ms: int = 0
    """How long it has been behind, milliseconds; 0 if it is not."""
    state: str = "waiting"
    """waiting, planning, fetching, staging, proving, switching, current or stuck."""
    done_bytes: int = 0
    """Bytes fetched of the version under way."""
    total_bytes: int = 0
    """Bytes to fetch of the version under way."""
    last_error: str = ""
    """Both languages; empty if none."""
    next_try_ms: int = 0
    """When the next try is due, milliseconds since 1970-01-01 UTC; 0 if none is."""
    area_name: str = ""
    """Empty for everything."""
    rows: int = 0
    """Rows held."""
    quarantined: tuple[str, ...] = ()
    """Peers that served bad bytes and are not asked at the moment."""

    @property
    def lag_versions(self) -> int:
        """Return how many versions it is behind."""
        return max(self.head - self.version, 0)


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription as it is now."""

    created: bool
    """True if it was new."""
    datasets: tuple[str, ...]
    """Datasets that it covers at the moment."""


@dataclass(frozen=True, slots=True)
class Replicas:
    """How subscriptions and replicas stand."""

    replicas: tuple[ReplicaStatus, ...]
    """Sorted by dataset."""
    subscriptions: tuple[str, ...]
    """Subjects of all subscriptions, sorted; also those that cover no dataset yet."""


class SubscriptionsClient(LocalClient):
    """A connection to one node's admin socket."""

    def __init__(self, socket: Path) -> None:
        super().__init__(socket)
        self._stub = subscription_pb2_grpc.SubscriptionServiceStub(self._channel)

    def subscribe(
        self, subject: str, owners: Sequence[str] = (), area: bytes = b"", area_name: str = "", schedule: str = ""
    ) -> Subscribed:
        """Make a subscription, or change the one with this subject.

        Args:
            subject: a dataset id, or a collection id for all datasets of it.
            owners: nodes whose datasets are meant, where the subject is a collection; empty for all.
            area: polygon, WKB, EPSG:4490, lon/lat; empty for everything.
            area_name: what the area is called, for people.
            schedule: hours in which bytes may be fetched, "HH:MM-HH:MM" local time, several joined by ","; empty for
                always.

        Raises:
            InvalidQuestion: a part cannot be meant.
            NodeUnavailable: no node listens on the socket.
        """
        request = subscription_pb2.SubscribeRequest(
            subject=subject, owners=owners, area_wkb=area, area_name=area_name, schedule=schedule
        )
        with self._errors():
            response = self._stub.Subscribe(request, timeout=TIMEOUT, metadata=request_id())
        return Subscribed(response.created, tuple(response.datasets))

    def unsubscribe(self, subject: str) -> tuple[str, ...]:
        """End a subscription; returns the datasets whose replicas are no longer kept.

        Raises:
            NotFound: there is no such subscription.
            NodeUnavailable: no node listens on the socket.
        """
        request = subscription_pb2.UnsubscribeRequest(subject=subject)
        with self._errors():
            response = self._stub.Unsubscribe(request, timeout=TIMEOUT, metadata=request_id())
        return tuple(response.datasets)

    def replicas(self) -> Replicas:
        """Return how subscriptions and replicas stand.

        Raises:
            NodeUnavailable: no node listens on the socket.
        """
        request = subscription_pb2.ListReplicasRequest()
        with self._errors():
            response = self._stub.ListReplicas(request, timeout=TIMEOUT, metadata=request_id())
        replicas = tuple(status_from_proto(item) for item in response.replicas)
        return Replicas(replicas, tuple(response.subscriptions))


def status_from_proto(status: subscription_pb2.ReplicaStatus) -> ReplicaStatus:
    """Return a replica's status from the wire."""
    return ReplicaStatus(
        dataset=status.dataset,
        subscription=status.subscription,
        version=status.version,
        head=status.head,
        lag_ms=status.lag_ms,
        state=status.state,
        done_bytes=status.done_bytes,
        total_bytes=status.total_bytes,
        last_error=status.last_error,
        next_try_ms=status.next_try_ms,
        area_name=status.area_name,
        rows=status.rows,
        quarantined=tuple(status.quarantined),
    )
