"""Real nodes that export to a real OTLP receiver: one question over three hops is one trace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.mesh import LocalMesh
from guotu.model.errors import InvalidFilter
from tests.support.collector import Collector, Received
from tests.support.small_mesh import apply_catalogue, eventually, publish_part
from tests.support.version_mesh import running_mesh

NODES = ("100000", "510000", "510100")
QUERY = "guotu.v1.QueryService/Query"
SECRET = "成都不可外传"
REQUEST_ID = "guotu.request_id"
SERVER, CLIENT, INTERNAL = 2, 3, 1


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


@pytest.fixture(scope="module")
def mesh(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    options = {"tracing.exporter": "otlp", "tracing.endpoint": collector.endpoint}
    with running_mesh(NODES, options) as made:
        apply_catalogue(made)
        publish_part(made, "510100", "county", "county.parquet", tmp_path_factory.mktemp("part"))

        def whole(node: str) -> bool:
            with made.client(node) as client:
                return {record.node for record in client.nodes()} == set(NODES) and bool(client.datasets())

        eventually(lambda: all(map(whole, NODES)))
        yield made


def above(span: Received, spans: list[Received]) -> Received | None:
    return next((other for other in spans if other.span == span.parent), None)


def path(span: Received, spans: list[Received]) -> list[tuple[str, int, str]]:
    """Return (node, kind, name) from a span up to the root."""
    found = [(span.node, span.kind, span.name)]
    parent = above(span, spans)
    return found if parent is None else found + path(parent, spans)


def test_one_question_over_three_hops_is_one_trace(mesh: LocalMesh, collector: Collector) -> None:
    with mesh.client("100000") as client:
        answer = client.query("county", where=f"name <> '{SECRET}'")
        assert len(answer.table()) > 0
    # At each node the call, plan and merge; two calls of others; one store.
    spans = collector.trace_of(REQUEST_ID, answer.header.request_id, 3 * 3 + 2 + 1)
    assert len(spans) == 12
    (store,) = (span for span in spans if span.name == "store")
    assert path(store, spans) == [
        ("510100", INTERNAL, "store"),
        ("510100", SERVER, QUERY),
        ("510000", CLIENT, QUERY),
        ("510000", SERVER, QUERY),
        ("100000", CLIENT, QUERY),
        ("100000", SERVER, QUERY),
    ]
    for name in ("plan", "merge"):
        found = [span for span in spans if span.name == name]
        assert {span.node for span in found} == set(NODES)
        assert all(path(span, spans)[1] == (span.node, SERVER, QUERY) for span in found)
    assert store.facts["guotu.dataset"] == "510100/county"
    assert store.facts["guotu.store_ms"] > 0


def test_calls_follow_the_conventions_and_carry_no_data(mesh: LocalMesh, collector: Collector) -> None:
    with mesh.client("100000") as client:
        answer = client.query("county", where=f"name = '{SECRET}'")
        assert len(answer.table()) == 0
    request_id = answer.header.request_id
    spans = [span for span in collector.trace_of(REQUEST_ID, request_id, 12) if span.kind in (SERVER, CLIENT)]
    ports = {node: int(mesh.address(node).rpartition(":")[2]) for node in NODES}
    for span in spans:
        assert span.facts["rpc.system"] == "grpc"
        assert (span.facts["rpc.service"], span.facts["rpc.method"]) == ("guotu.v1.QueryService", "Query")
        assert span.facts["rpc.grpc.status_code"] == 0
        assert span.facts["server.address"] == "127.0.0.1"
        assert span.facts["server.port"] in ports.values()
        assert span.resource["service.name"] == "guotu"
        assert span.resource["service.version"]
        assert not span.failed
    assert {span.facts["server.port"] for span in spans if span.kind == SERVER} == set(ports.values())
    assert {span.facts[REQUEST_ID] for span in spans if span.kind == SERVER} == {request_id}
    assert SECRET not in str(collector.spans)


def test_a_bad_question_ends_its_span_with_the_status(mesh: LocalMesh, collector: Collector) -> None:
    with mesh.client("100000") as client, pytest.raises(InvalidFilter):
        client.query("county", where=f"'{SECRET}' = ").table()
    spans = collector.trace_of("rpc.grpc.status_code", 3, 2)
    (server,) = (span for span in spans if span.kind == SERVER)
    (plan,) = (span for span in spans if span.name == "plan")
    assert plan.failed
    assert not server.failed, "it is the caller's fault"
    assert SECRET not in str(collector.spans)


def test_a_collector_that_is_gone_costs_no_answer(mesh: LocalMesh, collector: Collector) -> None:
    collector.stop()
    with mesh.client("100000") as client:
        for _ in range(5):
            assert len(client.query("county").table()) > 0
    assert mesh.stop("510100", grace=60.0) == 0
