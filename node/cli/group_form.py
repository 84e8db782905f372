"""The form in which groups are given, of `guotu stats` and `guotu overlay`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.feature_form import wanted_form

if TYPE_CHECKING:
    from node.cli.formats import Format


def group_form_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --format and --output to a command."""
    form = click.option(
        "--format",
        "form",
        type=click.Choice(["table", "csv", "parquet"]),
        help="输出格式 form of the groups [default: by FILE's suffix, else table]",
    )
    path = click.Path(dir_okay=False, path_type=Path)
    return form(click.option("-o", "--output", type=path, metavar="FILE", help="写入文件 write to FILE")(command))


def chosen_group_form(form: str | None, output: Path | None, as_json: bool, refusal: str) -> Format | None:
    """Return the form to write, None for a table or JSON on the screen; `refusal` tells of forms that need features.

    Raises:
        InvalidQuestion: see `chosen_format`.
        click.UsageError: the form is not one of groups, or JSON was asked for, too.
    """
    chosen = wanted_form(form, output, as_json)
    if chosen is not None and chosen.name not in ("csv", "parquet"):
        raise click.UsageError(refusal)
    return chosen
