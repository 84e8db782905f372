"""The operator's subscription service over a real socket: what reaches the replicator, and what comes back of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import grpc.aio
import pytest
import shapely

from guotu.model.errors import InvalidQuestion, NodeNotReady, NotFound
from guotu.v1 import subscription_pb2_grpc
from guotu.wire.endpoint import bind, new_server
from guotu.wire.subscriptions import SubscriptionsClient
from node.metrics import Metrics
from node.readiness import Readiness, State
from node.rpc.gate import Gate
from node.rpc.subscription import SubscriptionServicer
from sync.replica.status import ReplicaStatus
from sync.replica.subscription import Subscription
from tests.support.federation_parts import FixedDirectory, dataset, view

T = TypeVar("T")
SQUARE = shapely.to_wkb(shapely.box(104, 30, 105, 31))
STATUS = ReplicaStatus(
    dataset="510000/dltb", subscription="dltb", version=3, head=5, lag_ms=7000, state="fetching", done_bytes=10,
    total_bytes=40, last_error="断\nlost", next_try_ms=9, area_name="510100", rows=77, quarantined=("510700", "520000"),
)  # fmt: skip
EARLIER = ReplicaStatus("500000/dltb", "dltb", 1, 1, 0, "current", 0, 0, "", 0, "", 5, ())


class Remembering:
    """Remembers subscriptions, replicates nothing."""

    def __init__(self) -> None:
        self.held: dict[str, Subscription] = {}

    async def subscribe(self, subscription: Subscription) -> bool:
        created = subscription.subject not in self.held
        self.held[subscription.subject] = subscription
        return created

    async def unsubscribe(self, subject: str) -> list[str]:
        if self.held.pop(subject, None) is None:
            raise NotFound(detail=subject)
        return ["510000/dltb", "500000/dltb"]

    def subscriptions(self) -> list[Subscription]:
        return list(self.held.values())

    def status(self) -> list[ReplicaStatus]:
        return [STATUS, EARLIER]


@pytest.fixture
def kept() -> Remembering:
    return Remembering()


@pytest.fixture
def readiness() -> Readiness:
    readiness = Readiness("100000")
    readiness.state = State.READY
    return readiness


@pytest.fixture
async def socket(tmp_path: Path, kept: Remembering, readiness: Readiness) -> AsyncIterator[Path]:
    directory = FixedDirectory(view((), [dataset(name) for name in ("100000", "510000", "500000")]))
    gate = Gate("100000", readiness, Metrics(), 60.0)
    server: grpc.aio.Server = new_server()
    servicer = SubscriptionServicer(gate, kept, directory)
    subscription_pb2_grpc.add_SubscriptionServiceServicer_to_server(servicer, server)
    bind(server, f"unix:{tmp_path / 'admin.sock'}")
    await server.start()
    yield tmp_path / "admin.sock"
    await server.stop(None)


async def ask(socket: Path, work: Callable[[SubscriptionsClient], T]) -> T:
    def run() -> T:
        with SubscriptionsClient(socket) as client:
            return work(client)

    return await asyncio.to_thread(run)


async def test_a_subscription_arrives_whole_and_tells_what_it_covers(socket: Path, kept: Remembering) -> None:
    made = await ask(
        socket, lambda node: node.subscribe("dltb", ["510000", "100000"], SQUARE, "510100 成都市", "20:00-06:00")
    )
    assert (made.created, made.datasets) == (True, ("510000/dltb",))
    wish = kept.held["dltb"]
    assert (wish.owners, wish.schedule) == (("100000", "510000"), "20:00-06:00")
    assert wish.area is not None
    assert (wish.area.wkb, wish.area.name) == (SQUARE, "510100 成都市")
    again = await ask(socket, lambda node: node.subscribe("dltb"))
    assert (again.created, again.datasets) == (False, ("500000/dltb", "510000/dltb"))
    assert kept.held["dltb"].area is None


@pytest.mark.parametrize(
    ("subject", "owners", "area", "schedule", "part"),
    [
        ("地类", (), b"", "", "subject"),
        ("dltb", ("sichuan",), b"", "", "owners"),
        ("510000/dltb", ("510000",), b"", "", "owners"),
        ("dltb", (), b"nonsense", "", "area"),
        ("dltb", (), shapely.to_wkb(shapely.Point(1, 1)), "", "area"),
        ("dltb", (), b"", "8-9", "schedule"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    socket: Path, kept: Remembering, subject: str, owners: tuple[str, ...], area: bytes, schedule: str, part: str
) -> None:
    with pytest.raises(InvalidQuestion) as caught:
        await ask(socket, lambda node: node.subscribe(subject, owners, area, "x", schedule))
    assert caught.value.facts["part"] == part
    assert kept.held == {}


async def test_unsubscribing_returns_what_is_let_go(socket: Path) -> None:
    await ask(socket, lambda node: node.subscribe("dltb"))
    assert await ask(socket, lambda node: node.unsubscribe("dltb")) == ("500000/dltb", "510000/dltb")
    with pytest.raises(NotFound):
        await ask(socket, lambda node: node.unsubscribe("dltb"))


async def test_replicas_come_with_every_fact_sorted(socket: Path) -> None:
    for subject in ("xzq", "dltb"):
        await ask(socket, lambda node, subject=subject: node.subscribe(subject))  # type: ignore[misc]
    found = await ask(socket, lambda node: node.replicas())
    assert found.subscriptions == ("dltb", "xzq")
    first, second = found.replicas
    assert first.dataset == "500000/dltb"
    for name in ReplicaStatus.__slots__:
        assert getattr(second, name) == getattr(STATUS, name), name
    assert (first.lag_versions, second.lag_versions) == (0, 2)


async def test_a_node_that_is_not_ready_says_so(socket: Path, readiness: Readiness) -> None:
    readiness.state = State.STARTING
    with pytest.raises(NodeNotReady):
        await ask(socket, lambda node: node.replicas())
