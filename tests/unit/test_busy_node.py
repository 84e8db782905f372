"""A node that takes no more questions says when to come back; clients do, within their deadline."""

from __future__ import annotations

import json
import time
from collections.abc import Generator

import grpc
import pyarrow as pa
import pytest
from google.rpc import error_details_pb2, status_pb2

from guotu.client import connect
from guotu.model.answer import Frame, Notice
from guotu.model.errors import Overloaded
from guotu.model.question import Query, Question
from guotu.wire.blocking import BlockingCalls
from guotu.wire.status import error_from, status_of
from tests.support.canned_node import CannedNode, Script, answer_frames
from tests.support.cli_runner import run

SCHEMA = pa.schema([("n", pa.int64())])
ROWS = pa.record_batch([pa.array([1, 2, 3])], SCHEMA)


def busy(seconds: float) -> Overloaded:
    return Overloaded(node="510000", retry_s=seconds)


def test_overload_is_told_as_google_rpc_tells_it() -> None:
    code, _, trailing = status_of(busy(1.25))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    (packed,) = [
        detail
        for detail in status_pb2.Status.FromString(trailing[0][1]).details
        if detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR)
    ]
    retry = error_details_pb2.RetryInfo()
    packed.Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1250


@pytest.mark.parametrize(("told", "believed"), [("soon", 1.0), (1e9, 60.0), (-1, 0.0), (2, 2.0)])
def test_what_a_peer_tells_is_believed_within_bounds(told: str | float, believed: float) -> None:
    code, message, trailing = status_of(Overloaded(node="510000", retry_s=told))
    error = error_from(code, message, trailing, "10.0.0.1:1")
    assert isinstance(error, Overloaded)
    assert error.retry_s == believed


def test_a_client_comes_back_when_it_is_told_to(node: CannedNode, script: Script) -> None:
    script.refusals, script.frames = [busy(0.05), busy(0.1)], list(answer_frames([ROWS], SCHEMA))
    started = time.monotonic()
    with connect(node.address) as mesh:
        assert mesh.query("landcover").table().num_rows == 3
    assert time.monotonic() - started >= 0.15
    assert len(script.questions) == 3


def test_a_client_does_not_wait_past_its_deadline(node: CannedNode, script: Script) -> None:
    script.refusals = [busy(60.0)]
    with connect(node.address, timeout=50.0) as mesh, pytest.raises(Overloaded):
        mesh.query("landcover")
    assert len(script.questions) == 1


class Breaking(BlockingCalls):
    """Calls of a node that says it is too busy when it has begun to answer."""

    asked = 0

    def _ask_once(self, question: Question, timeout: float) -> Generator[Frame, None, None]:
        self.asked += 1
        yield Notice("FIRST", "")
        raise busy(0.0)


def test_who_has_had_frames_does_not_get_them_again() -> None:
    with Breaking("127.0.0.1:1", None, 20.0) as calls:
        frames = calls.ask(Query("landcover"), None)
        assert next(frames) == Notice("FIRST", "")
        with pytest.raises(Overloaded):
            next(frames)
        assert calls.asked == 1


def test_the_command_line_says_that_it_waits(node: CannedNode, script: Script) -> None:
    script.refusals, script.frames = [busy(0.2)], list(answer_frames([ROWS], SCHEMA))
    shown = run(node, "query", "landcover", "--format", "csv")
    assert shown.exit_code == 0
    assert "秒后再问" in shown.stderr
    assert "asking again in 0.2 s" in shown.stderr or "asking again in 0.3 s" in shown.stderr
    assert shown.stdout.splitlines() == ['"n"', "1", "2", "3"]


def test_the_command_line_says_when_to_come_back(node: CannedNode, script: Script) -> None:
    script.refusals = [busy(60.0), busy(60.0)]
    shown = run(node, "--timeout", "50", "query", "landcover")
    assert shown.exit_code == 6
    assert "请 60.0 秒后重试" in shown.stderr
    assert "Try again in 60.0 s" in shown.stderr
    told = run(node, "--timeout", "50", "query", "landcover", "--json")
    assert json.loads(told.stdout)["error"]["facts"] == {"node": "510000", "retry_s": 60.0}
