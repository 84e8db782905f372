"""The parts of the failover benchmark: the load, the relay, and what the numbers are held against."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from benchmarks.failover.budgets import HEALTHY, bounded, relieved, verdicts
from benchmarks.failover.load import WHOLE, Answers, Told, steady
from benchmarks.failover.relay import SlowRelay
from benchmarks.failover.running import VICTIM, questions
from benchmarks.fdw.variant import Variant
from benchmarks.owners import OWNERS
from benchmarks.publication import national_collection
from guotu.model.answer import MemberOutcome, Outcome
from guotu.model.question import Query


def variant(question: str) -> Variant:
    return Variant(question, "", Query("dltb"), {"plain": ""}, (), ())


class Stuck:
    """Answers the first question after the last one has fallen due."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._over = threading.Event()
        self.asked: list[tuple[int, str]] = []

    def ask(self, number: int, variant: Variant) -> Told:
        self.asked.append((number, variant.question))
        if number == self._last:
            self._over.set()
        if number == 0:
            assert self._over.wait(120)
            return Told("partial")
        return Told(WHOLE)


def test_questions_fall_due_whether_or_not_others_were_answered() -> None:
    system = Stuck(last=5)
    answers = steady(system, [variant("count"), variant("retrieve")], rate=50, seconds=0.12)
    assert sorted(system.asked) == [(number, ("count", "retrieve")[number % 2]) for number in range(6)]
    assert answers.told == {"whole": 5, "partial": 1}
    assert answers.worst_ms >= 100, "the first one waited for the last"
    assert not answers.whole


def answers(*milliseconds: float, told: str = "whole") -> Answers:
    return Answers({"count": [value / 1000 for value in milliseconds]}, Counter({told: len(milliseconds)}))


def test_of_partial_answers_is_told_whose_part_is_missing_and_why() -> None:
    found = Answers()
    lost = MemberOutcome("520100", "520100/dltb", Outcome.TIMED_OUT, "LATE", detail="no answer after 0.30 s")
    for number in range(9):
        found.add("count", 0.301, Told("partial", (lost,)) if number else Told(WHOLE))
    document = found.document()
    assert document["answers"] == {"whole": 1, "partial": 8}
    assert document["missing"] == {"520100 TIMED_OUT LATE": 8}
    assert document["partial"] == ["count after 301 ms: 520100 TIMED_OUT LATE, no answer after 0.30 s"] * 5


def test_the_document_has_the_numbers_by_question() -> None:
    both = Answers({"a": [0.1, 0.2, 0.3], "b": [1.0]}, Counter(whole=3, partial=1))
    document = both.document()
    assert (document["p50_ms"], document["worst_ms"]) == (250.0, 1000.0)
    assert document["p50_ms_by_question"] == {"a": 200.0, "b": 1000.0}
    assert document["answers"] == {"whole": 3, "partial": 1}


@pytest.mark.parametrize(
    ("troubled", "held"),
    [
        (answers(100, 369), True),
        (answers(371, 371), False),
        (answers(100, 100, told="partial"), False),
    ],
)
def test_replicas_have_to_answer_whole_and_soon(troubled: Answers, held: bool) -> None:
    assert relieved(answers(100, 100), troubled) is held


def test_without_a_replica_the_deadline_counts() -> None:
    assert bounded(answers(100, 2049, told="partial"), 2.0)
    assert not bounded(answers(100, 2051), 2.0)
    alone = {HEALTHY: answers(5000), "silent": answers(900, told="partial")}
    replicated = {HEALTHY: answers(50), "silent": answers(900)}
    assert verdicts(alone, replicated, 2.0) == {"alone": {"silent": True}, "replicated": {"silent": False}}


def test_the_member_that_fails_has_a_part_in_every_kind_of_question() -> None:
    assert VICTIM in OWNERS
    asked = questions(national_collection("dltb"))
    assert {item.question for item in asked} == {"retrieve", "count", "group_by_class"}
    assert all("plain" in item.forms for item in asked)


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(1 << 16):
            self.request.sendall(data)


@pytest.fixture
def relay() -> Iterator[SlowRelay]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with SlowRelay() as made:
            made.target = f"127.0.0.1:{server.server_address[1]}"
            yield made
        server.shutdown()


def exchange(relay: SlowRelay, sent: bytes) -> tuple[bytes, float]:
    host, _, port = relay.address.rpartition(":")
    started, got = time.perf_counter(), b""
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(sent)
        while len(got) < len(sent):
            got += connection.recv(1 << 16)
    return got, time.perf_counter() - started


def test_a_relay_passes_everything_on_in_order_and_late(relay: SlowRelay) -> None:
    sent = bytes(range(256)) * 2000
    assert exchange(relay, sent)[0] == sent
    relay.seconds = 0.3
    got, took = exchange(relay, sent)
    assert got == sent
    assert took >= 0.3


def test_a_relay_closes_where_nobody_is_behind_it() -> None:
    with SlowRelay() as relay:
        relay.target = "127.0.0.1:1"
        host, _, port = relay.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            assert connection.recv(10) == b""
