"""What is kept of other nodes by their addresses, for as long as the directory names these."""

from __future__ import annotations

from collections.abc import Callable, Set

from guotu.model.ports import Directory

ForgetOthers = Callable[[Set[str]], None]
"""Forgets what is kept of all addresses but these."""


class Acquaintances:
    """Has nodes forgotten that moved or left, when the directory changes."""

    def __init__(self, directory: Directory, *forget_others: ForgetOthers) -> None:
        self._directory = directory
        self._forget_others = forget_others
        self._nodes = directory.view().nodes

    def changed(self) -> None:
        """Look at the directory's nodes, if they are others than the last time."""
        nodes = self._directory.view().nodes
        if nodes is self._nodes:
            return
        self._nodes = nodes
        addresses = {record.address for record in nodes.values()}
        for forget_others in self._forget_others:
            forget_others(addresses)
