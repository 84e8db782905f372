"""Progress of a publish: bars on a terminal, one line a stage elsewhere; always on stderr."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from guotu.wire.admin import PublishProgress
from node.cli.console import say, stderr

STAGES = {
    "scan": "指纹 fingerprints",
    "validate": "检查 validate",
    "digest": "摘要 digest",
    "compare": "比较 compare",
    "layout": "排布 layout",
    "write": "写出 write",
    "load": "装载 load",
    "commit": "提交 commit",
}
"""In their order."""


def stage_name(stage: str) -> str:
    """Return a stage in both languages."""
    return STAGES.get(stage, stage)


class PublishProgressBars:
    """One bar a stage, as the stages begin."""

    def __init__(self) -> None:
        console = stderr()
        self._terminal = console.is_terminal
        columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
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

    def update(self, progress: PublishProgress) -> None:
        """Show how far a stage is."""
        stage = progress.stage
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage_name(stage), total=None)
            if not self._terminal:
                say(f"{stage_name(stage)} …")
        self._bars.update(self._tasks[stage], completed=progress.rows, total=progress.total or None)
