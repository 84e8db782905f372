"""Types of values on the command line, and the option that more than one command has of them."""

from __future__ import annotations

from datetime import date

import click


class NameList(click.ParamType[tuple[str, ...]]):
    """Names with commas between them: "a,b"."""

    name = "a,b"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names, none of them empty."""
        if isinstance(value, tuple):
            return value
        return tuple(filter(None, (name.strip() for name in value.split(","))))


class Box(click.ParamType[tuple[float, ...]]):
    """A rectangle "xmin,ymin,xmax,ymax" in degrees."""

    name = "xmin,ymin,xmax,ymax"

    def convert(
        self, value: str | tuple[float, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Return the four numbers."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(part) for part in value.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != 4:
            self.fail(f"{value!r}: 应为四个数 four numbers are needed: xmin,ymin,xmax,ymax (度 degrees)", param, ctx)
        return numbers


class Assignment(click.ParamType[tuple[str, str]]):
    """A pair "OLD=NEW"; "OLD=" has an empty second half."""

    name = "OLD=NEW"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return (old, new)."""
        if isinstance(value, tuple):
            return value
        old, mark, new = value.partition("=")
        if not (old and mark):
            self.fail(f"{value!r}: 应为 must be OLD=NEW", param, ctx)
        return old, new


map_option = click.option(
    "--map",
    "mapping",
    type=Assignment(),
    multiple=True,
    help="列 OLD 作为字段 NEW，空则舍去，可重复 take column OLD as field NEW, leave it out if empty; repeatable",
)


class IsoDate(click.ParamType[str]):
    """A day "2025-12-31"."""

    name = "YYYY-MM-DD"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the day in that form."""
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            self.fail(f"{value!r}: 应为日期 must be a date: 2025-12-31", param, ctx)
