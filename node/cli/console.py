"""Where the command line writes: results to stdout, everything said about them to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_UNWRAPPED = 10_000
"""Columns where there is no terminal, so that nothing that a script reads is wrapped or cut."""


def stdout() -> Console:
    """Return the console for results."""
    return _console(sys.stdout)


def stderr() -> Console:
    """Return the console for messages and progress."""
    return _console(sys.stderr)


def _console(file: IO[str]) -> Console:
    from node.cli.piped_console import PipedConsole

    width = None if file.isatty() else _UNWRAPPED
    return PipedConsole(file=file, width=width, highlight=False, markup=False, emoji=False)


def say(message: str, style: str = "") -> None:
    """Write a message to stderr."""
    if sys.stderr.isatty():
        stderr().print(message, style=style or None)
    else:  # nothing to colour or wrap, so that it need not be loaded
        print(message, file=sys.stderr)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], numeric: Iterable[str] = ()) -> Table:
    """Return a table for people; columns named in `numeric` are set to the right. Cells are plain text."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    right = set(numeric)
    made = Table(title=Text(title) if title else None, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        made.add_column(Text(column), justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    return made


def show(made: Table) -> None:
    """Print a table to stdout."""
    stdout().print(made)


def emit_json(document: Any) -> None:
    """Print one JSON document to stdout."""
    print(json.dumps(document, ensure_ascii=False, indent=2))
