"""The guard: ends the processes of a mesh when the program that started them is gone, however it went.

It reads "+PID" and "-PID" from its standard input. The system closes that pipe when the program at its other end
dies, also by SIGKILL; then the process groups still on the list are killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


class Guard:
    """The near end: starts the guard and tells it which process groups to watch over."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, group: int) -> None:
        """Kill this process group if we are gone."""
        if self._process is None:
            # Isolated and without site packages, so that it is there in a few milliseconds.
            command = [sys.executable, "-I", "-S", str(Path(__file__))]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Leave this process group alone."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the guard; process groups still on its list are killed."""
        if self._process is not None:
            self._process.communicate()
            self._process = None

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.write(line.encode("ascii"))
                self._process.stdin.flush()


def main() -> None:
    """Keep the list until the pipe ends, then kill what is on it."""
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
