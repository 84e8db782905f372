"""How the root of the tree fares as the country joins: 1 + 31 + 333 + 2,850 members, with a flat fan-out beside it.

Members are simulated: real federations over real gRPC, hundreds to a process, with a synthetic store and a directory
that is fed once. The root is a process of its own. A question is first answered by all of them (`whole_tree_ms`, which
holds all members' work on this machine's cores); then the members that the root asks give the same messages again
without any work, so that what is measured is what the root and the way to it take (`latency_ms`, `root_cpu_ms`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from benchmarks.environment import environment
from benchmarks.scale_tree import PARCELS, Shape
from guotu.client import Client, connect
from guotu.model.question import Aggregate, AggregateFunction, Query, Question, SortKey, Stats

_COUNT = Aggregate(AggregateFunction.COUNT, "", "n")
_SUM = Aggregate(AggregateFunction.SUM, "TBMJ", "area")
QUESTIONS: Mapping[str, Question] = {
    "count": Stats(PARCELS.id, (_COUNT,)),
    "group_by": Stats(PARCELS.id, (_COUNT, _SUM), ("DLBM",)),
    "retrieve": Query(PARCELS.id, sort=(SortKey("TBMJ", descending=True),), limit=100),
}
"""What is asked: all rows counted; counted and summed by 50 classes; the 100 largest with their shapes."""
_TIMEOUT_S = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--provinces", type=int, default=31, help="省级节点数 provinces (default 31)")
    parser.add_argument("--prefectures", type=int, default=333, help="地级节点数 prefectures (default 333)")
    parser.add_argument("--counties", type=int, default=2850, help="县级节点数 counties (default 2850)")
    parser.add_argument("--rows", type=int, default=1000, help="每节点行数 rows of each node (default 1000)")
    parser.add_argument("--rounds", type=int, default=9, help="计时轮数 rounds that are timed (default 9)")
    parser.add_argument("--hosts", type=int, default=4, help="成员所在进程数 processes of members (default 4)")


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Run it; returns the numbers, times in ms, bytes of messages of one question at the root."""
    whole = Shape(arguments.provinces, arguments.prefectures, arguments.counties)
    shapes = [Shape(whole.provinces), Shape(whole.provinces, whole.prefectures), whole]
    with ExitStack() as life:
        root, *hosts = [life.enter_context(_HostProcess(arguments.rows)) for _ in range(1 + arguments.hosts)]
        site = _Site(root, hosts, arguments.rows, arguments.rounds)
        tree = {shape.members: site.measure(shape.tree()) for shape in shapes}
        flat = {shape.members: site.measure(shape.flat()) for shape in (shapes[0], whole)}
    growth = _growth(tree)
    return {
        "environment": environment(),
        "rows_per_member": arguments.rows,
        "tree": {f"{members}": measured for members, measured in tree.items()},
        "flat": {f"{members}": measured for members, measured in flat.items()},
        "member_growth": growth["member_growth"],
        "root_growth": growth["root_growth"],
        "tree_growth": growth["by_question"],
        "flat_growth": _growth(flat)["by_question"],
        "within_member_growth": growth["root_growth"] < growth["member_growth"],
        "flat_to_tree": _ratios(flat[whole.members], tree[whole.members]),
    }


def _growth(measured: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Return by how much members, and latency and bytes at the root, grow from the fewest members to the most."""
    few, many = min(measured), max(measured)
    by_question = _ratios(measured[many], measured[few])
    worst = max(max(ratios["latency"], ratios["bytes"]) for ratios in by_question.values())
    return {"member_growth": round(many / few, 2), "root_growth": worst, "by_question": by_question}


def _ratios(above: Mapping[str, Any], below: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    return {
        question: {
            "latency": round(above[question]["latency_ms"] / below[question]["latency_ms"], 2),
            "root_cpu": round(above[question]["root_cpu_ms"] / below[question]["root_cpu_ms"], 2),
            "bytes": round(above[question]["bytes"] / below[question]["bytes"], 2),
        }
        for question in QUESTIONS
    }


class _HostProcess:
    """A process that is some of the nodes (`benchmarks.scale_host`)."""

    def __init__(self, rows: int) -> None:
        command = (sys.executable, "-m", "benchmarks.scale_host", str(rows))
        quiet = {**os.environ, "GRPC_VERBOSITY": "ERROR"}  # else each server that ends is told of
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=quiet)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self, order: Mapping[str, object]) -> Any:
        """Give an order, return what is answered.

        Raises:
            RuntimeError: the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a process of members has ended")
        return json.loads(line)

    def report(self, counting: bool = False) -> dict[str, float]:
        """Return what it has used so far; from now on it counts bytes, or not."""
        return dict(self.tell({"report": counting}))


@dataclass(frozen=True, slots=True)
class _Site:
    """Processes that are one mesh after the other."""

    root: _HostProcess
    hosts: Sequence[_HostProcess]
    rows: int
    rounds: int

    def measure(self, nodes: Sequence[str]) -> dict[str, dict[str, float]]:
        """Be these nodes, the root first; returns what each question takes there."""
        parts = [nodes[1:][place :: len(self.hosts)] for place in range(len(self.hosts))]
        addresses: dict[str, str] = self.root.tell({"be": nodes[:1]})
        for host, part in zip(self.hosts, parts, strict=True):
            addresses |= host.tell({"be": part})
        for host in (self.root, *self.hosts):
            host.tell({"meet": addresses})
        return {name: self._measure(question, nodes, addresses) for name, question in QUESTIONS.items()}

    def _measure(self, question: Question, nodes: Sequence[str], addresses: Mapping[str, str]) -> dict[str, float]:
        """Return times of one answer of all members, medians and means of those of the root alone, bytes of one."""
        with connect(addresses[nodes[0]], timeout=_TIMEOUT_S) as client:
            before = self.root.report(counting=True)
            self._ask(client, question, len(nodes))
            counted, below = self.root.report(), self._members_cpu()
            whole_s, members_s = self._ask(client, question, len(nodes)), self._members_cpu() - below
            self._repeat(True)
            began = self.root.report()["cpu_s"]
            latencies = [self._ask(client, question, len(nodes)) for _ in range(self.rounds)]
            cpu_s = self.root.report()["cpu_s"] - began
            self._repeat(False)
        sent, received = (int(counted[way] - before[way]) for way in ("sent", "received"))
        return {
            "latency_ms": _ms(statistics.median(latencies)),
            "root_cpu_ms": _ms(cpu_s / self.rounds),
            "whole_tree_ms": _ms(whole_s),
            "members_cpu_ms": _ms(members_s),
            "bytes": sent + received,
            "bytes_sent": sent,
        }

    def _repeat(self, repeats: bool) -> None:
        for host in self.hosts:
            host.tell({"repeat": repeats})

    def _members_cpu(self) -> float:
        return sum(host.report()["cpu_s"] for host in self.hosts)

    def _ask(self, client: Client, question: Question, members: int) -> float:
        """Ask; returns the seconds.

        Raises:
            RuntimeError: the answer is not that of all members.
        """
        seconds, table = _seconds(client, question)
        if isinstance(question, Stats) and sum(table["n"].to_pylist()) != self.rows * members:
            raise RuntimeError(f"not all rows were counted: {table['n'].to_pylist()}")
        return seconds


def _seconds(client: Client, question: Question) -> tuple[float, Any]:
    started = time.perf_counter()
    table = client.ask(question).table()
    return time.perf_counter() - started, table


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
