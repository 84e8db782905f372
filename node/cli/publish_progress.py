"""Progress of a publish: bars on a terminal, one line a stage elsewhere; always on stderr."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from node.cli.console import say, stderr

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from guotu.wire.admin import PublishProgress

STAGES = {
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
    """One bar a stage, as the stages begin; one line a stage where there is no terminal."""

    def __init__(self) -> None:
        self._bars = _bars() if sys.stderr.isatty() else None
        self._tasks: dict[str, TaskID | None] = {}

    def __enter__(self) -> Self:
        """Show the bars."""
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the bars as they are."""
        if self._bars is not None:
            self._bars.stop()

    def update(self, progress: PublishProgress) -> None:
        """Show how far a stage is."""
        stage = progress.stage
        if stage not in self._tasks:
            self._tasks[stage] = None if self._bars is None else self._bars.add_task(stage_name(stage), total=None)
            if self._bars is None:
                say(f"{stage_name(stage)} …")
        task = self._tasks[stage]
        if self._bars is not None and task is not None:
            self._bars.update(task, completed=progress.rows, total=progress.total or None)


def _bars() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=stderr())
