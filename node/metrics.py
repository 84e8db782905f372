"""What Prometheus reads at /metrics: requests, rows, bytes, members, registry, versions."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from federation.execution.breaker import Breaker, State
from guotu.model.answer import MemberOutcome, Outcome
from guotu.model.material import MaterialStatus
from guotu.model.ports import DirectoryView
from guotu.model.records import DatasetRecord
from node.replication import ReplicationNumbers
from node.turns import Turns

_CIRCUITS = (State.CLOSED, State.HALF_OPEN, State.OPEN)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The node's instruments, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "guotu_requests", "Calls by method and gRPC code", ["method", "code"], registry=self.registry
        )
        self.seconds = Histogram(
            "guotu_request_seconds", "Seconds a call took", ["method"], buckets=_SECONDS, registry=self.registry
        )
        self.rows = Counter("guotu_answer_rows", "Rows sent in answers", ["method"], registry=self.registry)
        self.size = Counter("guotu_answer_bytes", "Arrow bytes sent in answers", ["method"], registry=self.registry)
        self.members = Counter(
            "guotu_member_outcomes", "Outcomes of members asked", ["member", "outcome"], registry=self.registry
        )
        self.member_seconds = Histogram(
            "guotu_member_seconds", "Seconds a member took", ["member"], buckets=_SECONDS, registry=self.registry
        )

    def observe_member(self, member: MemberOutcome) -> None:
        """Count a member's part in a question; members pruned are not counted."""
        if member.outcome is Outcome.PRUNED:
            return
        self.members.labels(member.node, member.outcome.value).inc()
        self.member_seconds.labels(member.node).observe(member.elapsed_ms / 1000)

    def watch_state(
        self,
        view: Callable[[], DirectoryView],
        registered: Callable[[], bool],
        holdings: Callable[[], Mapping[str, DatasetRecord]],
    ) -> None:
        """Report directory, registration and own versions whenever they are read."""
        self.registry.register(_StateCollector(view, registered, holdings))

    def watch_replicas(self, numbers: Callable[[], ReplicationNumbers]) -> None:
        """Report replicas whenever they are read."""
        self.registry.register(_ReplicaCollector(numbers))

    def watch_turns(self, turns: Turns) -> None:
        """Report questions under way, waiting and turned away whenever they are read."""
        self.registry.register(_TurnCollector(turns))

    def watch_breakers(self, breakers: Callable[[], Sequence[Breaker]]) -> None:
        """Report the circuit breakers of members that were asked whenever they are read."""
        self.registry.register(_BreakerCollector(breakers))

    def watch_materials(self, statuses: Callable[[], Sequence[MaterialStatus]]) -> None:
        """Report tables for others whenever they are read."""
        self.registry.register(_MaterialCollector(statuses))

    def serve(self, host: str, port: int) -> tuple[WSGIServer, Thread]:
        """Serve /metrics on a thread of its own; port 0 takes a free one.

        Raises:
            OSError: the address cannot be bound.
        """
        return start_http_server(port, host, registry=self.registry)


class _StateCollector(Collector):
    """Gauges that are read off the node's state at scrape time."""

    def __init__(
        self,
        view: Callable[[], DirectoryView],
        registered: Callable[[], bool],
        holdings: Callable[[], Mapping[str, DatasetRecord]],
    ) -> None:
        self._view = view
        self._registered = registered
        self._holdings = holdings

    def collect(self) -> Iterable[Metric]:
        view = self._view()
        yield _gauge("guotu_registry_stale", "1 if the registry is out of reach", float(view.stale))
        yield _gauge("guotu_registry_registered", "1 if this node holds its lease", float(self._registered()))
        yield _gauge("guotu_directory_as_of_seconds", "When it last agreed with the registry", view.as_of_ms / 1000)
        yield _gauge("guotu_directory_nodes", "Nodes in the directory", float(len(view.nodes)))
        versions = GaugeMetricFamily("guotu_dataset_version", "Head version of own datasets", labels=["dataset"])
        rows = GaugeMetricFamily("guotu_dataset_rows", "Rows of own datasets", labels=["dataset"])
        for record in self._holdings().values():
            versions.add_metric([record.dataset], record.version)
            rows.add_metric([record.dataset], record.rows)
        yield versions
        yield rows


class _ReplicaCollector(Collector):
    """Numbers of the replicas at scrape time."""

    def __init__(self, numbers: Callable[[], ReplicationNumbers]) -> None:
        self._numbers = numbers

    def collect(self) -> Iterable[Metric]:
        numbers = self._numbers()
        fetched = CounterMetricFamily("guotu_replica_fetched_bytes", "Bytes of objects fetched from peers")
        fetched.add_metric([], numbers.fetched_bytes)
        yield fetched
        yield _gauge("guotu_replica_quarantined_peers", "Peers that served bad bytes lately", numbers.quarantined)
        yield _labelled("guotu_replica_states", "Replicas by state", "state", numbers.states)
        yield _labelled("guotu_replica_version", "Version held of each replica", "dataset", numbers.versions)
        yield _labelled(
            "guotu_replica_lag_seconds", "How long each replica has been behind", "dataset", numbers.lag_seconds
        )


class _TurnCollector(Collector):
    """Numbers of the questions at scrape time."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def collect(self) -> Iterable[Metric]:
        yield _gauge("guotu_questions_running", "Questions under way", self._turns.running)
        yield _gauge("guotu_questions_waiting", "Questions that wait for their turn", self._turns.waiting)
        refused = CounterMetricFamily("guotu_questions_refused", "Questions told to come back later")
        refused.add_metric([], self._turns.refused)
        yield refused


class _BreakerCollector(Collector):
    """States of the members' circuits, and questions that were put to them once more, at scrape time."""

    def __init__(self, breakers: Callable[[], Sequence[Breaker]]) -> None:
        self._breakers = breakers

    def collect(self) -> Iterable[Metric]:
        found = {breaker.node: breaker for breaker in self._breakers()}  # of several addresses the last one stays
        states = {node: float(_CIRCUITS.index(breaker.state)) for node, breaker in found.items()}
        yield _labelled("guotu_member_circuit", "0 closed, 1 half-open, 2 open", "member", states)
        retried = CounterMetricFamily("guotu_member_retries", "Questions put to a member once more", labels=["member"])
        for node, breaker in found.items():
            retried.add_metric([node], breaker.retried)
        yield retried


class _MaterialCollector(Collector):
    """Numbers of the tables for others at scrape time."""

    def __init__(self, statuses: Callable[[], Sequence[MaterialStatus]]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterable[Metric]:
        found = self._statuses()
        states = Counts(item.state for item in found)
        yield _labelled("guotu_material_states", "Tables for others by state", "state", states)
        for name, text, values in (
            ("version", "Version that each table shows", {item.dataset: item.version for item in found}),
            ("rows", "Rows that each table shows", {item.dataset: item.rows for item in found}),
            ("lag_versions", "How many versions each table is behind", {i.dataset: i.lag_versions for i in found}),
            ("lag_seconds", "How long each table has been behind", {i.dataset: i.lag_ms / 1000 for i in found}),
        ):
            yield _labelled(f"guotu_material_{name}", text, "dataset", values)


def _labelled(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
