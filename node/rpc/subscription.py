"""guotu.v1.SubscriptionService: what the node replicates, on the node's own socket only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol

from guotu.model.ports import Directory
from guotu.v1 import subscription_pb2, subscription_pb2_grpc
from node.rpc.gate import Context, Gate
from sync.replica.area import Area
from sync.replica.status import ReplicaStatus
from sync.replica.subscription import Subscription


class Subscriptions(Protocol):
    """What the operator's service needs of the node's replicator."""

    async def subscribe(self, subscription: Subscription) -> bool:
        """Make a subscription, or change the one with its subject; tells whether it was new. Durable on return.

        Raises:
            InvalidQuestion: it asks for a dataset of this node's own.
            StoreFailure: it cannot be kept.
        """

    async def unsubscribe(self, subject: str) -> Sequence[str]:
        """End a subscription; returns the datasets whose replicas are no longer kept.

        Raises:
            NotFound: there is no such subscription.
        """

    def subscriptions(self) -> Sequence[Subscription]:
        """Return all subscriptions."""

    def status(self) -> Sequence[ReplicaStatus]:
        """Return how each replica stands."""


class SubscriptionServicer(subscription_pb2_grpc.SubscriptionServiceServicer):
    """Serves the operator."""

    def __init__(self, gate: Gate, subscriptions: Subscriptions, directory: Directory) -> None:
        self._gate = gate
        self._subscriptions = subscriptions
        self._directory = directory

    async def Subscribe(
        self, request: subscription_pb2.SubscribeRequest, context: Context
    ) -> subscription_pb2.SubscribeResponse:
        """Make or change a subscription."""

        async def work() -> subscription_pb2.SubscribeResponse:
            wish = _subscription(request)
            created = await self._subscriptions.subscribe(wish)
            datasets = wish.datasets(self._directory.view(), self._gate.node)
            return subscription_pb2.SubscribeResponse(created=created, datasets=datasets)

        return await self._gate.unary(context, "Subscribe", work)

    async def Unsubscribe(
        self, request: subscription_pb2.UnsubscribeRequest, context: Context
    ) -> subscription_pb2.UnsubscribeResponse:
        """End a subscription."""

        async def work() -> subscription_pb2.UnsubscribeResponse:
            dropped = await self._subscriptions.unsubscribe(request.subject)
            return subscription_pb2.UnsubscribeResponse(datasets=sorted(dropped))

        return await self._gate.unary(context, "Unsubscribe", work)

    async def ListReplicas(
        self, request: subscription_pb2.ListReplicasRequest, context: Context
    ) -> subscription_pb2.ListReplicasResponse:
        """Tell how subscriptions and replicas stand."""

        async def work() -> subscription_pb2.ListReplicasResponse:
            replicas = sorted(self._subscriptions.status(), key=lambda item: item.dataset)
            return subscription_pb2.ListReplicasResponse(
                replicas=[subscription_pb2.ReplicaStatus(**asdict(item)) for item in replicas],
                subscriptions=sorted(item.subject for item in self._subscriptions.subscriptions()),
            )

        return await self._gate.unary(context, "ListReplicas", work)


def _subscription(request: subscription_pb2.SubscribeRequest) -> Subscription:
    """Return the subscription asked for.

    Raises:
        InvalidQuestion: a part of it cannot be meant.
    """
    area = Area(request.area_wkb, request.area_name) if request.area_wkb else None
    return Subscription(request.subject, tuple(request.owners), area, request.schedule)
