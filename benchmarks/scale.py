"""How the root of the tree fares as the country joins: 1 + 31 + 333 + 2,850 members, with a flat fan-out beside it.

Members are simulated: real federations over real gRPC, hundreds to a process, with a synthetic store and a directory
that is fed once. The root is a process of its own. Latency holds all members' work on this machine's cores; the root's
own work is told apart as its processor time, and a province is asked alone.
"""

from __future__ import annotations

import argparse
import json
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
from guotu.model.division import NATION
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
    parser.add_argument("--rounds", type=int, default=5, help="计时轮数 rounds that are timed (default 5)")
    parser.add_argument("--hosts", type=int, default=4, help="成员所在进程数 processes of members (default 4)")


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Run it; returns the numbers, times in ms, bytes of messages of one question at the root."""
    whole = Shape(arguments.provinces, arguments.prefectures, arguments.counties)
    shapes = [Shape(whole.provinces), Shape(whole.provinces, whole.prefectures), whole]
    tree = {shape.members: _measure(shape.tree(), shape.members, arguments) for shape in shapes}
    flat = {shape.members: _measure(shape.flat(), shape.members, arguments) for shape in (shapes[0], whole)}
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


def _measure(nodes: Sequence[str], members: int, arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Start the nodes, ask the root, end them; returns what each question took."""
    with ExitStack() as life:
        below = [nodes[1:][place :: arguments.hosts] for place in range(arguments.hosts)]
        hosts = [life.enter_context(_HostProcess(part, arguments.rows)) for part in below if part]
        root, counting = (
            life.enter_context(_HostProcess([NATION], arguments.rows, counted)) for counted in (False, True)
        )
        addresses = {name: at for host in (*hosts, counting, root) for name, at in host.addresses.items()}
        for host in (*hosts, root, counting):
            host.tell({node: addresses[node] for node in nodes})
        site = _Site(root, counting, hosts, addresses[nodes[1]], members * arguments.rows)
        return {name: site.asked(question, arguments.rounds) for name, question in QUESTIONS.items()}


class _HostProcess:
    """A process that is some of the nodes (`benchmarks.scale_host`)."""

    def __init__(self, nodes: Sequence[str], rows: int, counted: bool = False) -> None:
        command = (sys.executable, "-m", "benchmarks.scale_host")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addresses: dict[str, str] = self.tell({"nodes": list(nodes), "rows": rows, "counted": counted})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self, what: object) -> Any:
        """Send one line, return what comes back.

        Raises:
            RuntimeError: the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a process of members has ended")
        return json.loads(line)

    def report(self) -> dict[str, float]:
        """Return what it has used so far."""
        return dict(self.tell("report"))


@dataclass(frozen=True, slots=True)
class _Site:
    """One mesh that stands."""

    root: _HostProcess
    counting: _HostProcess
    """A second root that counts the bytes of its messages."""
    hosts: Sequence[_HostProcess]
    province: str
    """Where the first member below the root is asked."""
    rows: int

    def asked(self, question: Question, rounds: int) -> dict[str, float]:
        """Return what a question takes: medians of latencies, means of processor times, bytes of one answer."""
        (counting,) = self.counting.addresses.values()
        with connect(counting, timeout=_TIMEOUT_S) as client:
            told = self.counting.report()
            self._ask(client, question)
            counted = self.counting.report()
        (root,) = self.root.addresses.values()
        with connect(root, timeout=_TIMEOUT_S) as client:
            self._ask(client, question)
            began, below = self.root.report(), self._members_cpu()
            latencies = [self._ask(client, question) for _ in range(rounds)]
            cpu_s, members_s = self.root.report()["cpu_s"] - began["cpu_s"], self._members_cpu() - below
        with connect(self.province, timeout=_TIMEOUT_S) as client:
            alone = [_seconds(client, question)[0] for _ in range(rounds + 1)][1:]
        return {
            "latency_ms": round(statistics.median(latencies) * 1000, 2),
            "root_cpu_ms": round(cpu_s / rounds * 1000, 2),
            "members_cpu_ms": round(members_s / rounds * 1000, 2),
            "first_member_alone_ms": round(statistics.median(alone) * 1000, 2),
            "bytes": int(sum(counted[way] - told[way] for way in ("sent", "received"))),
            "bytes_sent": int(counted["sent"] - told["sent"]),
        }

    def _members_cpu(self) -> float:
        return sum(host.report()["cpu_s"] for host in self.hosts)

    def _ask(self, client: Client, question: Question) -> float:
        """Ask; returns the seconds.

        Raises:
            RuntimeError: the answer is not that of all members.
        """
        seconds, table = _seconds(client, question)
        if isinstance(question, Stats) and sum(table["n"].to_pylist()) != self.rows:
            raise RuntimeError(f"not all rows were counted: {table['n'].to_pylist()}")
        return seconds


def _seconds(client: Client, question: Question) -> tuple[float, Any]:
    started = time.perf_counter()
    table = client.ask(question).table()
    return time.perf_counter() - started, table
