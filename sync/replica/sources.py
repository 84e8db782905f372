"""Sources: the peers that hold a dataset, and those of them that are not asked because they served bad bytes."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from guotu.model.division import split_dataset
from guotu.model.gateway import is_open_to
from guotu.model.ports import Clock, Directory

QUARANTINE_S = 600.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A peer that holds what is needed."""

    node: str
    address: str


class Quarantine:
    """Remembers for a time which peers served bad bytes, and why."""

    def __init__(self, clock: Clock, seconds: float = QUARANTINE_S) -> None:
        self._clock = clock
        self._seconds = seconds
        self._until: dict[str, tuple[float, str]] = {}

    def put(self, node: str, reason: str) -> bool:
        """Ask a peer no more for a time; tells whether it was asked until now."""
        is_new = node not in self.reasons()
        self._until[node] = (self._clock.monotonic() + self._seconds, reason)
        if is_new:
            _log.warning("peer_quarantined", peer=node, detail=reason)
        return is_new

    def reasons(self) -> dict[str, str]:
        """Return why each peer in quarantine is there, by node, sorted."""
        now = self._clock.monotonic()
        self._until = {node: entry for node, entry in self._until.items() if entry[0] > now}
        return {node: reason for node, (_, reason) in sorted(self._until.items())}


class Sources:
    """Finds peers in the directory."""

    def __init__(self, directory: Directory, node: str, quarantine: Quarantine) -> None:
        """Set the directory, and the id of the node that asks."""
        self.quarantine = quarantine
        self._directory = directory
        self._node = node

    def of(self, dataset: str, version: int) -> list[Source]:
        """Return who holds a version of a dataset and may be dialed, replicas first so that owners are spared."""
        view = self._directory.view()
        replicas = view.replicas.get(dataset, {})
        names = [name for name, record in sorted(replicas.items()) if record.version >= version]
        names.append(split_dataset(dataset)[0])
        barred = {self._node, *self.quarantine.reasons()}
        known = [view.nodes[name] for name in dict.fromkeys(names) if name in view.nodes and name not in barred]
        return [Source(record.node, record.address) for record in known if is_open_to(record, self._node)]

    def nobody(self, dataset: str) -> str:
        """Return why nobody was asked for a dataset, and what to do, in both languages."""
        record = self._directory.view().nodes.get(split_dataset(dataset)[0])
        if record is None or is_open_to(record, self._node):
            return "没有持有者 nobody holds it"
        through = record.reached_through
        return (
            f"{record.node} 只能经 {through} 访问，请先在 {through} 订阅 "
            f"{record.node} is reached only through {through}: subscribe there first"
        )

    def key_of(self, node: str) -> bytes | None:
        """Return the public key that the registry shows for a node; None while the node is not registered."""
        record = self._directory.view().nodes.get(node)
        return record.public_key if record else None
