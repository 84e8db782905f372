"""Whether the node takes questions, and why not."""

from __future__ import annotations

from enum import StrEnum

from guotu.model.errors import NodeNotReady


class State(StrEnum):
    """Stages of a node's life."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class Readiness:
    """The present stage."""

    def __init__(self, node: str) -> None:
        self._node = node
        self.state = State.STARTING

    @property
    def ready(self) -> bool:
        """Tell whether questions are taken."""
        return self.state is State.READY

    def require(self) -> None:
        """Let a question in.

        Raises:
            NodeNotReady: the node is starting or stopping.
        """
        if not self.ready:
            raise NodeNotReady(node=self._node, state=self.state.value)
