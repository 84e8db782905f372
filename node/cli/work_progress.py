"""Progress of long work at the node: bars on a terminal, one line a stage elsewhere; always on stderr."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from node.cli.console import say, stderr

if TYPE_CHECKING:
    from guotu.wire.care import WorkProgress


class WorkProgressBars:
    """One bar a stage, as the stages begin."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """Take the stages' names in both languages; one that has none is shown as it is."""
        console = stderr()
        self._names = names
        self._terminal = console.is_terminal
        columns = (TextColumn("{task.description:24}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=console, disable=not self._terminal)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Show the bars."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bars as they are."""
        self._bars.stop()

    def update(self, progress: WorkProgress) -> None:
        """Show how far a stage is."""
        stage = progress.stage
        name = self._names.get(stage, stage)
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(name, total=None)
            if not self._terminal:
                say(f"{name} …")
        self._bars.update(self._tasks[stage], completed=progress.done, total=progress.total or None)
