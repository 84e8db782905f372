"""The form in which features are given, of `guotu query` and `guotu nearest`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli import exit_codes

if TYPE_CHECKING:
    from guotu.answering import Answer
    from node.cli.formats import Format


def feature_form_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --format and --output to a command."""
    form = click.option(
        "--format",
        "form",
        type=click.Choice(["table", "geojson", "geojsonseq", "gpkg", "fgb", "parquet", "csv"]),
        help="输出格式，默认按文件后缀，无文件则为表格 form of the rows [default: by FILE's suffix, else table]",
    )
    path = click.Path(dir_okay=False, path_type=Path)
    return form(click.option("-o", "--output", type=path, metavar="FILE", help="写入文件 write to FILE")(command))


def wanted_form(form: str | None, output: Path | None, as_json: bool) -> Format | None:
    """Return the form to write, None for a table or JSON on the screen.

    Raises:
        InvalidQuestion: see `chosen_format`.
        click.UsageError: JSON was asked for, too.
    """
    from node.cli.export import chosen_format

    chosen = chosen_format(form or "", output)
    if as_json and chosen is not None and output is None:
        raise click.UsageError("--json 与 --format 只取其一 give --json or --format, not both, without -o")
    return chosen


def deliver_features(answer: Answer, chosen: Format | None, output: Path | None, as_json: bool) -> int:
    """Hand over an answer in the form that was chosen; returns the exit code.

    Raises: as `guotu.answering.Answer`.
    """
    from node.cli.deliver import deliver_file, deliver_json, deliver_table

    if chosen is not None:
        deliver_file(answer, chosen, output, as_json)
    elif as_json:
        deliver_json(answer)
    else:
        deliver_table(answer)
    return exit_codes.OK if answer.completeness.complete else exit_codes.PARTIAL
