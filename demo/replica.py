"""What a run found out about replicas: where each stands, what an edit cost on its way, and what both ends hold."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
from prometheus_client.parser import text_string_to_metric_families

from guotu.wire.care import VerifyResult
from guotu.wire.subscriptions import ReplicaStatus

_FETCHED = "guotu_replica_fetched_bytes_total"
_METRICS_S = 10.0


@dataclass(frozen=True, slots=True)
class First:
    """The replicas of a subscription, once all of them were proven for the first time."""

    command: str
    replicas: Sequence[ReplicaStatus]
    shipped_bytes: int
    """Bytes of objects that came over the wire."""
    seconds: float
    """From the subscription to the last proven replica."""

    @property
    def rows(self) -> int:
        """Return the rows of all replicas."""
        return sum(item.rows for item in self.replicas)

    def document(self) -> dict[str, Any]:
        """Return its entry in the report."""
        return {
            "command": self.command,
            "datasets": [
                {"dataset": item.dataset, "version": item.version, "rows": item.rows} for item in self.replicas
            ],
            "rows": self.rows,
            "shipped_bytes": self.shipped_bytes,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Shipped:
    """One edit on its way from the owner to the proven replica."""

    command: str
    dataset: str
    version: int
    change: Mapping[str, Any]
    """As the owner told it: counts and areas."""
    delta_bytes: int
    """Of the version's objects."""
    shipped_bytes: int
    """Bytes of objects that came over the wire."""
    whole_bytes: int
    """What the whole layer weighs in the same form."""
    published_s: float
    """From the start of the command to its end."""
    proven_s: float
    """From the start of the command to the proven replica."""


@dataclass(frozen=True, slots=True)
class End:
    """What one node holds of a dataset."""

    node: str
    verified: VerifyResult
    answers: Mapping[int, str]
    """Result digest of all rows, hex, by version."""

    def document(self) -> dict[str, Any]:
        """Return its entry in the report."""
        found = self.verified
        return {
            "node": self.node,
            "version": found.version,
            "rows": found.rows,
            "digest": found.digest,
            "signed": found.expected,
            "sound": found.sound,
            "answers": {str(version): digest for version, digest in self.answers.items()},
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """How two versions differ, as a replica tells it."""

    command: str
    table: pa.Table
    """`guotu.model.schema.change_schema`."""
    account: Mapping[str, Any]


@dataclass(slots=True)
class Replication:
    """Filled in as the demonstration goes on."""

    node: str
    """Who subscribes."""
    first: First | None = None
    shipped: Shipped | None = None
    before: str = ""
    """Result digest of all rows of the version before the edit, asked of the owner before there was an edit."""
    ends: list[End] = field(default_factory=list)
    """Owner, then replica."""
    difference: Difference | None = None

    def document(self) -> dict[str, Any]:
        """Return its entry in the report."""
        return {
            "node": self.node,
            "first": self.first and self.first.document(),
            "edit": self.shipped and asdict(self.shipped),
            "before": self.before,
            "ends": [end.document() for end in self.ends],
            "diff": self.difference and {"command": self.difference.command, **self.difference.account},
        }


def fetched_bytes(metrics_address: str) -> int:
    """Return how many bytes of objects a node has fetched from its peers since it started, from its metrics.

    Raises:
        OSError: they cannot be read.
        ValueError: they do not tell.
    """
    with urllib.request.urlopen(f"http://{metrics_address}/metrics", timeout=_METRICS_S) as page:
        text = page.read().decode("utf-8")
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == _FETCHED:
                return int(sample.value)
    raise ValueError(f"{metrics_address}: {_FETCHED} is missing")
