"""Handing over an answer: to the screen, as JSON or into a file, each with what it says of itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guotu.model.errors import GuotuError
from node.cli.console import emit_json, say, stderr, stdout
from node.cli.exit_codes import exit_code
from node.cli.export import export
from node.cli.failure import error_document
from node.cli.formats import JSON
from node.cli.formats.answer_json import FIRST, LAST
from node.cli.formats.json_text import row_objects
from node.cli.formats.table import preview
from node.cli.outcomes import completeness_line, outcomes_table, rows_phrase, say_partial, say_warnings
from node.cli.rows import Rows
from node.cli.wording import count

if TYPE_CHECKING:
    from guotu.answering import Answer
    from node.cli.formats import Format


_NEXT_PAGE = "下一页 next page: --page {token}"


def deliver_file(answer: Answer, form: Format, output: Path | None, as_json: bool) -> None:
    """Write the rows to a file or stdout, and say on stderr (or as JSON on stdout) what the answer says of itself."""
    with _progress() as watch:
        rows = Rows(answer, watch)
        export(rows, form, output)
    say_warnings(answer.warnings)
    say_partial(answer.completeness)
    if as_json:
        emit_json({"file": str(output), **rows.account()})
    elif output is not None:
        milliseconds = answer.trailer.elapsed_ms
        say(
            f"{output}: {rows_phrase(answer.trailer)}, {milliseconds:,.0f} ms, {completeness_line(answer.completeness)}"
        )
        say(f"摘要 digest {answer.digest.hex()}")
    if answer.next_page and not as_json:
        say(_NEXT_PAGE.format(token=answer.next_page if output is None else output))


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """A line on the terminal with the rows so far; nothing where there is no terminal."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = stderr()
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} 行 rows"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda done: progress.update(task, completed=done)


def deliver_json(answer: Answer) -> None:
    """Print {"rows": [...], ...} as the rows come; an error on the way ends the document as its member "error"."""
    write = sys.stdout.write
    rows = Rows(answer)
    rows.written_as(JSON)
    separator = "\n"
    write(FIRST)
    try:
        for batch in rows:
            if batch.num_rows:
                write(separator + ",\n".join(row_objects(batch)))
                separator = ",\n"
        account = rows.saved_account()
    except GuotuError as error:
        write(f"\n{LAST}\n" + json.dumps(error_document(error), ensure_ascii=False)[1:] + "\n")
        raise click.exceptions.Exit(exit_code(type(error))) from error
    write(f"\n{LAST}\n" + json.dumps(account, ensure_ascii=False, indent=2)[1:].lstrip("\n") + "\n")


def deliver_table(answer: Answer, totals: Collection[str] = ()) -> None:
    """Show the rows, then the members, cut, digest and time; `totals` as in `preview`."""
    rows = Rows(answer)
    table, shown = preview(rows, totals)
    console = stdout()
    console.print(table)
    if shown < rows.count:
        console.print(f"… 显示前 shown: {count(shown)} / {count(rows.count)} 行 rows (--format, -o)")
    show_account(answer)


def show_account(answer: Answer) -> None:
    """Print what an answer says of itself: rows, completeness, members, cut, digest, milliseconds."""
    trailer = answer.trailer
    console = stdout()
    say_warnings(answer.warnings)
    console.print(outcomes_table(trailer.completeness))
    cut = ", ".join(f"{name}@{version}" for name, version in sorted(answer.cut.items()))
    console.print(f"{rows_phrase(trailer)}, {trailer.elapsed_ms:,.0f} ms, {completeness_line(trailer.completeness)}")
    console.print(f"切面 cut     {cut}")
    console.print(f"摘要 digest  {trailer.digest.hex()}")
    if not trailer.completeness.complete:
        say(completeness_line(trailer.completeness), "bold yellow")
    if trailer.next_page:
        say(_NEXT_PAGE.format(token=trailer.next_page))
