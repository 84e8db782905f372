"""One server process with a log, that can be killed, paused and stopped; a guard watches over it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from demo.guard import Guard

_POLL_S = 0.02
_TAIL_BYTES = 3000


class ProcessEnded(RuntimeError):
    """A server ended when it should have run; the message has the end of its log."""


class ServerProcess:
    """A server that is started, and perhaps started again, with the same command."""

    def __init__(self, name: str, command: Sequence[str], log: Path, guard: Guard) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._guard = guard
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id.

        Raises:
            ProcessEnded: it does not run.
        """
        self.require_alive()
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Tell whether the process lives (it may be paused)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; returns at once. Its output is appended to the log.

        Raises:
            RuntimeError: it runs already.
        """
        if self.alive:
            raise RuntimeError(f"{self.name} 已在运行 runs already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=self._guard.group
            )

    def require_alive(self) -> None:
        """Do nothing if it runs.

        Raises:
            ProcessEnded: it does not.
        """
        if not self.alive:
            code = None if self._process is None else self._process.returncode
            raise ProcessEnded(f"{self.name} 已退出 ended (exit code {code}); {self.log}:\n{self.tail()}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal.

        Raises:
            ProcessEnded: it does not run.
        """
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would; nothing if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        """Ask it to stop, also if it is paused; nothing if it does not run."""
        if self._process is not None:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)

    def wait(self, grace: float) -> int:
        """Wait until it has ended, at most `grace` seconds, then kill it; return its exit code (-9 if killed)."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def stop(self, grace: float) -> int:
        """Ask it to stop, wait at most `grace` seconds, then kill it; return its exit code."""
        self.terminate()
        return self.wait(grace)

    def forget(self) -> None:
        """Know the process no more; it goes on."""
        self._process = None

    def tail(self) -> str:
        """Return the end of its log."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            return log.read().decode("utf-8", "replace")


def poll_until(deadline: float) -> bool:
    """Sleep a moment; tells whether the deadline (of `time.monotonic`) is still ahead."""
    time.sleep(_POLL_S)
    return time.monotonic() < deadline
