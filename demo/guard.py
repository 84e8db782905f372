"""The guard: no process of a mesh outlives the program that started it, however that one ends.

The guard leads a process group which every process of the mesh is born into. Its standard input is a pipe whose other
end only that program has: when the program dies, also by SIGKILL, the system closes the pipe, and the guard kills the
group. There is no moment at which a process has been started and is not in it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

_RELEASE = b"release"


class Guard:
    """The near end: starts the guard when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def group(self) -> int:
        """Process group to start processes in (`process_group` of `subprocess.Popen`)."""
        if self._process is None or self._process.poll() is not None:
            # Isolated and without site packages, so that it is there in a few milliseconds.
            command = [sys.executable, "-I", "-S", str(Path(__file__))]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, process_group=0)
        return self._process.pid

    def release(self) -> None:
        """Let the processes live on when this program ends."""
        self._end(_RELEASE)

    def close(self) -> None:
        """End the guard and whatever is still in its group. May be called again."""
        self._end(b"")

    def _end(self, word: bytes) -> None:
        if self._process is not None:
            self._process.communicate(word)
            self._process = None


def main() -> None:
    """Wait for the pipe to end, then kill the group, oneself included, unless it was released."""
    word = sys.stdin.buffer.read()
    if word != _RELEASE and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
