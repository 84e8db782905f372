"""Spans of calls and work: whose they are, how they end, what they tell; and what becomes of them in a file."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import structlog.testing
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from guotu.model.errors import InvalidConfig, InvalidFilter
from guotu.model.question import Options
from guotu.model.tracing import NoTracing
from guotu.wire.endpoint import async_channel, bind, new_server
from guotu.wire.peers import GrpcPeers
from guotu.wire.tracing import OpenTelemetryTracing
from node.config import config_from
from node.config.tracing_section import TracingSection
from node.tracing.making import make_tracing
from node.tracing.span_file import SpanFile
from tests.support.eventually import eventually
from tests.support.scripted_mesh import Mesh, rows_of, three

ADDRESS = "127.0.0.1:7083"
METHOD = "/guotu.v1.QueryService/Query"


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(memory: InMemorySpanExporter) -> OpenTelemetryTracing:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    return OpenTelemetryTracing(provider.get_tracer("test"))


def only(memory: InMemorySpanExporter) -> ReadableSpan:
    (span,) = memory.get_finished_spans()
    return span


def facts(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_work_that_fails_tells_its_reason_and_not_its_message(
    tracing: OpenTelemetryTracing, memory: InMemorySpanExporter
) -> None:
    failure = InvalidFilter(where="3", detail="name = 'secret'")
    with suppress(InvalidFilter), tracing.span("plan", collection="dltb") as span:
        span.tell(steps=3)
        raise failure
    ended = only(memory)
    assert facts(ended) == {"guotu.collection": "dltb", "guotu.steps": 3}
    assert (ended.status.is_ok, ended.status.description) == (False, "INVALID_FILTER")
    assert ended.events == ()
    assert "secret" not in ended.to_json()


@pytest.mark.parametrize("stop", [GeneratorExit, asyncio.CancelledError])
def test_what_is_stopped_has_not_failed(
    tracing: OpenTelemetryTracing, memory: InMemorySpanExporter, stop: type[BaseException]
) -> None:
    with pytest.raises(stop), tracing.span("store"):
        raise stop
    with pytest.raises(stop), tracing.call(ADDRESS, METHOD):
        raise stop
    work, call = memory.get_finished_spans()
    assert work.status.is_ok
    assert call.status.is_ok
    assert facts(call)["rpc.grpc.status_code"] == grpc.StatusCode.CANCELLED.value[0]


def test_a_call_carries_its_span(tracing: OpenTelemetryTracing, memory: InMemorySpanExporter) -> None:
    with tracing.call(ADDRESS, METHOD) as metadata:
        pass
    ended = only(memory)
    assert (ended.name, ended.kind) == (METHOD[1:], SpanKind.CLIENT)
    assert ended.context is not None
    trace, span = f"{ended.context.trace_id:032x}", f"{ended.context.span_id:016x}"
    assert dict(metadata)["traceparent"].startswith(f"00-{trace}-{span}-")
    assert facts(ended) == {
        "rpc.system": "grpc",
        "rpc.service": "guotu.v1.QueryService",
        "rpc.method": "Query",
        "rpc.grpc.status_code": 0,
        "server.address": "127.0.0.1",
        "server.port": 7083,
    }


async def test_spans_of_an_answer_hang_together(tracing: OpenTelemetryTracing, memory: InMemorySpanExporter) -> None:
    mesh = Mesh(*three())
    mesh.federation._tracing = tracing
    heard = await mesh.ask(rows_of(Options()))
    assert heard.failure is None
    found = {span.name: facts(span) for span in memory.get_finished_spans()}
    assert set(found) == {"plan", "store", "merge"}
    assert found["merge"]["guotu.rows"] == len(heard.rows)
    assert found["store"]["guotu.dataset"] == "510000/dltb"


Raw = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


class _Handlers(grpc.GenericRpcHandler):
    """One method of ours for each kind of call, and one of somebody else."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        async def one(request: Any, context: Any) -> bytes:
            if request == b"abort":
                await context.abort(grpc.StatusCode.INTERNAL, "secret")
            return b"done"

        async def many(request: Any, context: Any) -> Any:
            yield b"1"
            if request == b"abort":
                await context.abort(grpc.StatusCode.NOT_FOUND, "secret")
            yield b"2"

        if details.method.endswith("/Many"):
            return grpc.unary_stream_rpc_method_handler(many)
        return grpc.unary_unary_rpc_method_handler(one)


@pytest.mark.parametrize(
    ("method", "request_", "code", "failed"),
    [
        ("/guotu.v1.X/One", b"go", grpc.StatusCode.OK, False),
        ("/guotu.v1.X/One", b"abort", grpc.StatusCode.INTERNAL, True),
        ("/guotu.v1.X/Many", b"go", grpc.StatusCode.OK, False),
        ("/guotu.v1.X/Many", b"abort", grpc.StatusCode.NOT_FOUND, False),
        ("/grpc.health.v1.Health/Check", b"go", grpc.StatusCode.OK, None),
    ],
)
async def test_a_served_call_tells_how_it_ended(
    tracing: OpenTelemetryTracing, memory: InMemorySpanExporter, method: str, request_: bytes,
    code: grpc.StatusCode, failed: bool | None,
) -> None:  # fmt: skip
    server = new_server(interceptors=tracing.interceptors("[::1]:7083"))
    server.add_generic_rpc_handlers((_Handlers(),))
    port = bind(server, "127.0.0.1:0")
    await server.start()
    metadata = (("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"),)
    told = grpc.StatusCode.OK
    try:
        async with async_channel(f"127.0.0.1:{port}") as channel:
            if method.endswith("/Many"):
                call = channel.unary_stream(method)(request_, metadata=metadata)
                assert [item async for item in call] == [b"1", b"2"]
            else:
                await channel.unary_unary(method)(request_, metadata=metadata)
    except grpc.aio.AioRpcError as failure:
        told = failure.code()
    await server.stop(1)
    assert told is code
    if failed is None:
        assert memory.get_finished_spans() == ()
        return
    await eventually(memory.get_finished_spans)  # a call that was aborted is told of before its handler has ended
    ended = only(memory)
    assert (ended.kind, facts(ended)["rpc.grpc.status_code"]) == (SpanKind.SERVER, code.value[0])
    assert facts(ended)["server.address"] == "::1"
    assert ended.status.is_ok is not failed
    assert ended.parent is not None
    assert (ended.parent.trace_id, ended.parent.span_id) == (int("a" * 32, 16), int("b" * 16, 16))
    assert "secret" not in ended.to_json()


async def test_nothing_is_made_where_tracing_is_off() -> None:
    made = make_tracing(TracingSection(), "510000", "1", None)
    assert isinstance(made.work, NoTracing)
    assert made.calls.interceptors(ADDRESS) == ()
    with made.calls.call(ADDRESS, METHOD) as metadata:
        assert metadata == ()
    with made.work.span("plan") as span:
        span.tell(rows=1)
    made.close()
    await GrpcPeers().close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_spans_may_go_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    made = make_tracing(TracingSection(exporter="file", file=file), "510000-ch", "0.1.0", None)
    with made.work.span("plan", collection="dltb"):
        pass
    made.close()
    (told,) = lines(file)
    assert told["name"] == "plan"
    assert told["resource"]["attributes"]["service.instance.id"] == "510000-ch"
    assert told["resource"]["attributes"]["service.name"] == "guotu"


def test_a_share_of_nothing_traces_nothing_but_what_others_traced(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    made = make_tracing(TracingSection(exporter="file", file=file, ratio=0.0), "510000", "0.1.0", None)
    assert isinstance(made.calls, OpenTelemetryTracing)
    with made.calls.call(ADDRESS, METHOD) as metadata:
        flags = dict(metadata)["traceparent"].rpartition("-")[2]
        assert not int(flags, 16) & 1, "it is not sampled"
    made.close()
    assert not file.exists() or file.read_text() == ""


def test_a_full_file_makes_room_and_a_bad_one_fails_nobody(tmp_path: Path, memory: InMemorySpanExporter) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    with provider.get_tracer("t").start_as_current_span("a"):
        pass
    file = tmp_path / "spans.jsonl"
    exporter = SpanFile(file, lambda span: f"{span.name}{'.' * 20}\n", most_bytes=30)
    for _ in range(5):
        assert exporter.export(memory.get_finished_spans()) is SpanExportResult.SUCCESS
    assert file.stat().st_size <= 60
    assert (tmp_path / "spans.jsonl.1").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spans.jsonl", "spans.jsonl.1"]
    broken = SpanFile(tmp_path / "no" / "spans", lambda span: "")
    with structlog.testing.capture_logs() as logged:
        for _ in range(2):
            assert broken.export(memory.get_finished_spans()) is SpanExportResult.FAILURE
    assert [("no/spans" in entry["detail"], entry["log_level"]) for entry in logged] == [(True, "warning")]


@pytest.mark.parametrize(
    ("endpoint", "fault"),
    [
        ("http://collector:4317", "not encrypted"),
        ("127.0.0.1:4317", "must be http://"),
        ("https://user:word@collector:4317", "must be http://"),
        ("http://127.0.0.1:4317", ""),
        ("https://collector:4317", ""),
    ],
)
def test_spans_do_not_leave_the_machine_in_plain_text_by_chance(endpoint: str, fault: str) -> None:
    raw = {"node": {"id": "510000"}, "tracing": {"exporter": "otlp", "endpoint": endpoint}}
    if not fault:
        assert config_from(raw, Path("/srv"), "x").tracing.endpoint == endpoint
        return
    with pytest.raises(InvalidConfig, match=r"tracing\.endpoint") as caught:
        config_from(raw, Path("/srv"), "x")
    assert fault in str(caught.value.facts["detail"])
    if "encrypted" in fault:
        assert config_from({**raw, "grpc": {"allow_plaintext": True}}, Path("/srv"), "x").tracing.endpoint == endpoint
