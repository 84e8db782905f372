"""Running the real command line, two commands at a time."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.guard import Guard
from demo.node_process import guotu_command

_POLL_S = 0.02
_GRACE_S = 5.0


class CommandFailed(RuntimeError):
    """A command ended with an error; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Command:
    """One run of `guotu`."""

    name: str
    """Also that of the file with its output."""
    words: tuple[str, ...]
    """What follows `guotu`."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that went well."""

    command: Command
    document: Any
    """What it printed, as JSON."""
    seconds: float


class _Running:
    """A command under way; its output goes to files."""

    def __init__(self, command: Command, folder: Path, guard: Guard) -> None:
        self.command = command
        self._started = time.perf_counter()
        name = command.name.replace("/", "-")
        self._output, self._errors = folder / f"{name}.json", folder / f"{name}.log"
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [guotu_command(), *command.words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                process_group=guard.group,
            )

    def finished(self) -> Finished | None:
        """Return how it ended; None if it has not.

        Raises:
            CommandFailed: it ended with an error.
        """
        code = self.process.poll()
        if code is None:
            return None
        said = self._output.read_text(encoding="utf-8")
        if code != 0:
            words = " ".join(("guotu", *self.command.words))
            raise CommandFailed(f"{words}\n退出码 exit code {code}\n{said}{self._errors.read_text(encoding='utf-8')}")
        return Finished(self.command, json.loads(said), time.perf_counter() - self._started)

    def end(self) -> None:
        """End it if it still runs."""
        self.process.terminate()
        try:
            self.process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run_commands(commands: Sequence[Command], folder: Path, guard: Guard, at_once: int = 2) -> Iterator[Finished]:
    """Run commands (each must print JSON), at most `at_once` together; yield them as they end.

    Args:
        commands: what to run, in this order.
        folder: where their output goes.
        guard: ends them if this program dies.
        at_once: most that run together.

    Raises:
        CommandFailed: one ended with an error; the others are ended then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    waiting, running = list(commands), list[_Running]()
    with ExitStack() as ending:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_Running(waiting.pop(0), folder, guard))
                ending.callback(running[-1].end)
            time.sleep(_POLL_S)
            for item in tuple(running):
                if (done := item.finished()) is not None:
                    running.remove(item)
                    yield done
