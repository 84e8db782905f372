"""Ctrl-C and SIGTERM: both end a command like an error does, so that unfinished files are removed.

Python swallows what a handler raises where nothing may raise (callbacks of weak references, for one), so the signal is
also remembered, and whoever works through many rows asks for it. Of what was swallowed no trace is shown.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

from node.cli.exit_codes import TERMINATED


class StopSignal:
    """The handler of both signals."""

    def __init__(self) -> None:
        self._received = 0

    def install(self) -> None:
        """Handle both signals; to be called in the main thread."""
        signal.signal(signal.SIGINT, self)
        signal.signal(signal.SIGTERM, self)
        tell = sys.unraisablehook

        def tell_of_others(swallowed: sys.UnraisableHookArgs) -> None:
            if not (self._received and issubclass(swallowed.exc_type, KeyboardInterrupt | SystemExit)):
                tell(swallowed)

        sys.unraisablehook = tell_of_others

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal, and raise what stands for it."""
        self._received = number
        self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt or SystemExit if a signal came."""
        if self._received == signal.SIGINT:
            raise KeyboardInterrupt
        if self._received == signal.SIGTERM:
            raise SystemExit(TERMINATED)


def check_stop() -> None:
    """Raise KeyboardInterrupt or SystemExit if a signal came; nothing where no `StopSignal` is installed."""
    handler = signal.getsignal(signal.SIGTERM)
    if isinstance(handler, StopSignal):
        handler.check()
