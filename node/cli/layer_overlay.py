"""Layer overlays of `guotu overlay`: asked member by member, with progress, in a folder with which one can go on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from node.cli.background import in_background
from node.cli.console import say, stderr
from node.cli.wording import count

if TYPE_CHECKING:
    from guotu.answering import Answer
    from guotu.client import Client
    from guotu.model.question import LayerOverlay
    from guotu.overlays.job import JobProgress


@contextmanager
def layer_answer(mesh: Client, question: LayerOverlay, resume: Path | None) -> Iterator[Answer]:
    """Ask all members, and yield the answer; `resume` is the folder that keeps their parts, None for none.

    Raises:
        DirectoryInUse: another process works in the folder.
        InvalidQuestion: the folder is that of another question, or the question is not valid.
        what the node asked raises for itself; the parts that are finished are kept.
    """
    from guotu.answering import Answer
    from guotu.overlays.folder import JobFolder
    from guotu.overlays.job import OverlayJob

    place = nullcontext(str(resume)) if resume is not None else _scratch()
    with place as path, JobFolder(Path(path)) as folder:
        datasets = mesh.datasets(question.collection, question.options.scope)
        heads = {record.dataset: record.version for record in datasets}
        job = OverlayJob(question, heads, mesh.frames, folder)
        with _kept(resume):
            with _Bars() as bars:
                for progress in in_background(job.run):
                    bars.update(progress)
            yield Answer(job.frames())


def _scratch() -> AbstractContextManager[str]:
    return tempfile.TemporaryDirectory(prefix="guotu-overlay-", ignore_cleanup_errors=True)


@contextmanager
def _kept(resume: Path | None) -> Iterator[None]:
    """Say, if it does not end well, that one can go on."""
    try:
        yield
    except BaseException:
        if resume is not None:
            say(f"已完成的部分在 what is finished is in {resume}; --resume {resume} 接着做 goes on with it")
        raise


class _Bars:
    """A bar of members on a terminal; elsewhere a line for each."""

    def __init__(self) -> None:
        console = stderr()
        self._terminal = console.is_terminal
        columns = (
            TextColumn("成员 members"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
        )
        self._bars = Progress(*columns, console=console, disable=not self._terminal)
        self._task = self._bars.add_task("", total=None)

    def __enter__(self) -> _Bars:
        self._bars.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._bars.stop()

    def update(self, progress: JobProgress) -> None:
        """Show how far it is."""
        pairs = f"{count(progress.pairs)} 对 pairs"
        self._bars.update(self._task, completed=progress.done, total=progress.total, description=pairs)
        if progress.member is None:
            if progress.resumed:
                say(f"接着做 resumed: {progress.resumed} / {progress.total} 成员 members")
        elif not self._terminal:
            say(f"{progress.done} / {progress.total}  {progress.member.dataset} {progress.member.outcome}  {pairs}")
