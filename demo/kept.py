"""A mesh that is left running in ./.demo: who runs there, and ending it later."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(".demo")
_GRACE_S = 10.0
_PAUSE_S = 0.05


class AlreadyKept(RuntimeError):
    """A mesh runs here already, or is being started or ended."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The folder of a kept mesh."""

    folder: Path = FOLDER

    @property
    def _state(self) -> Path:
        return self.folder / "mesh.json"

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Have the folder to oneself; what an ended mesh left there is removed first.

        Raises:
            AlreadyKept: a mesh runs here, or another program is at it.
        """
        with self._locked():
            running = self.running()
            if running:
                names = ", ".join(sorted(running))
                raise AlreadyKept(
                    f"{self.folder} 中已有演示网在运行 a demo mesh runs here already ({names})\n"
                    "先停止它 stop it first: python -m demo --stop"
                )
            self._clear()
            yield

    def record(self, processes: Mapping[str, int]) -> None:
        """Note the processes (name to id) that live on."""
        born = {name: {"pid": pid, "born": birth(pid)} for name, pid in processes.items()}
        self._state.write_text(json.dumps(born, indent=2) + "\n", encoding="utf-8")

    def running(self) -> dict[str, int]:
        """Return the processes noted that still live, by name; an id that another process has now is not among them."""
        if not self._state.exists():
            return {}
        noted = json.loads(self._state.read_text(encoding="utf-8"))
        return {name: item["pid"] for name, item in noted.items() if birth(item["pid"]) == item["born"] is not None}

    def stop(self) -> list[str]:
        """End the processes and remove the folder; return the names of those that were ended.

        Raises:
            AlreadyKept: another program is at it.
        """
        if not self.folder.exists():
            return []
        with self._locked():
            names = sorted(self.running(), key=lambda name: name == "etcd")
            self._end([name for name in names if name != "etcd"])
            self._end([name for name in names if name == "etcd"])
            self._clear()
        shutil.rmtree(self.folder)
        return names

    def discard(self) -> None:
        """Remove the folder; its processes must have ended."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, names: list[str]) -> None:
        for name in names:
            self._signal(name, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        while set(names) & set(self.running()) and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        for name in names:
            self._signal(name, signal.SIGKILL)

    def _signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process, if it still lives."""
        with suppress(ProcessLookupError, KeyError):
            os.kill(self.running()[name], number)

    def _clear(self) -> None:
        """Remove everything but the lock."""
        for path in self.folder.iterdir():
            if path.name == "lock":
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as taken:
                raise AlreadyKept(
                    f"{self.folder}: 另一程序正在启动或停止 another program starts or stops it"
                ) from taken
            yield


def birth(pid: int) -> str | None:
    """Return when a living process was started, in the system's own count; None if it has ended.

    Two processes that had the same id one after the other differ in it.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command stands in parentheses and may hold anything: state is the first field behind it, start time the 20th.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
