"""What the node registers of itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from guotu.model.records import NodeRecord


@dataclass(slots=True)
class Identity:
    """The node's record; the addresses are known once its servers are bound."""

    record: NodeRecord

    def bound(self, address: str, metrics_address: str) -> None:
        """Take the addresses."""
        self.record = replace(self.record, address=address, metrics_address=metrics_address)

    def drain(self, draining: bool) -> None:
        """Take whether the node is being drained."""
        self.record = replace(self.record, draining=draining)
