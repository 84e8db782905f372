"""A console whose reader may have had enough."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console


class PipedConsole(Console):
    """Leaves a closed pipe to whoever runs the command, who has an exit code for it; Console itself ends with 1."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise it."""
        raise BrokenPipeError
