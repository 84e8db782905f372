"""An answer into a file: all of it or nothing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from guotu.model.errors import InvalidQuestion
from node.cli.formats import FORMATS, Format, format_of
from node.cli.workshop import require_place, workshop

if TYPE_CHECKING:
    from node.cli.rows import Rows


def chosen_format(name: str, output: Path | None) -> Format | None:
    """Return the form to write: the one named, else the one that the file's name asks for; None for a table.

    Raises:
        InvalidQuestion: the name asks for none, no file can be put there, or the form needs one and there is none.
    """
    if name == "table":
        if output is not None:
            raise InvalidQuestion(part="--format", detail="表格只显示在屏幕 a table goes to the screen, not to a file")
        return None
    require_place(output, "--output")
    chosen = FORMATS.get(name) or (format_of(output) if output is not None else None)
    if chosen is None and output is not None:
        known = ", ".join(FORMATS)
        raise InvalidQuestion(part="--output", detail=f"请用 --format 指明格式 name the form with --format: {known}")
    if chosen is not None and output is None and not chosen.streams:
        raise InvalidQuestion(part="--output", detail=f"{chosen.name} 须写入文件 needs a file: -o FILE.{chosen.name}")
    return chosen


def sidecar_path(output: Path) -> Path:
    """Return where an answer's own account stands when the file has no room for it."""
    return output.with_name(f"{output.name}.answer.json")


def export(rows: Rows, form: Format, output: Path | None) -> None:
    """Write all rows to a file, or to stdout if there is none.

    A file appears under its name only when it is whole; what was there stays until then.

    Raises:
        OSError: the file cannot be written.
        GuotuError: as `guotu.answering.Answer`; no file is left then.
    """
    rows.written_as(form)
    if output is None:
        form.write(rows, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    with workshop(output) as folder:
        draft = folder / output.name
        _write(rows, form, draft)
        if form.sidecar:
            note = folder / "sidecar"
            note.write_text(json.dumps(rows.saved_account(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
            # First, so that a partial answer never stands without its mark.
            os.replace(note, sidecar_path(output))
        os.replace(draft, output)


def _write(rows: Rows, form: Format, draft: Path) -> None:
    if not form.streams:
        form.write(rows, draft)
        return
    with draft.open("wb") as stream:
        form.write(rows, stream)
