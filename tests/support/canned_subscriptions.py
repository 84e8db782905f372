"""A subscription service that answers as it is told, for tests of the operator's commands."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import grpc

from guotu.model.errors import GuotuError
from guotu.v1 import subscription_pb2, subscription_pb2_grpc
from guotu.wire.status import status_of
from guotu.wire.subscriptions import ReplicaStatus

CURRENT = ReplicaStatus("510000/dltb", "dltb", 12, 12, 0, "current", rows=1000)
FETCHING = ReplicaStatus(
    "500000/dltb", "dltb", 3, 7, 7_384_000, "fetching", 3 << 20, 12 << 20, "对方无应答\npeer silent", 1_700_000_000_000,
    "510100 成都市", 21, ("510700",),
)  # fmt: skip


@dataclass
class CannedSubscriptions(subscription_pb2_grpc.SubscriptionServiceServicer):
    """What the service says, and what it was asked."""

    created: bool = True
    datasets: tuple[str, ...] = ("500000/dltb", "510000/dltb")
    looks: list[list[ReplicaStatus]] = field(default_factory=lambda: [[FETCHING, CURRENT]])
    """How the replicas stand, look by look; the last one stays."""
    subjects: tuple[str, ...] = ("dltb",)
    error: GuotuError | None = None
    asked: list[Any] = field(default_factory=list)

    def add_to(self, server: grpc.Server) -> None:
        """Serve on a server."""
        subscription_pb2_grpc.add_SubscriptionServiceServicer_to_server(self, server)

    def Subscribe(self, request: Any, context: Any) -> subscription_pb2.SubscribeResponse:
        self._hear(request, context)
        return subscription_pb2.SubscribeResponse(created=self.created, datasets=self.datasets)

    def Unsubscribe(self, request: Any, context: Any) -> subscription_pb2.UnsubscribeResponse:
        self._hear(request, context)
        return subscription_pb2.UnsubscribeResponse(datasets=self.datasets)

    def ListReplicas(self, request: Any, context: Any) -> subscription_pb2.ListReplicasResponse:
        self._hear(request, context)
        now = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        replicas = [subscription_pb2.ReplicaStatus(**asdict(item)) for item in now]
        return subscription_pb2.ListReplicasResponse(replicas=replicas, subscriptions=self.subjects)

    def _hear(self, request: Any, context: Any) -> None:
        self.asked.append(request)
        if self.error is not None:
            code, message, trailing = status_of(self.error)
            context.set_trailing_metadata(trailing)
            context.abort(code, message)
