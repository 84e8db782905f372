"""Click options of more questions: the nearest features, distinct values, classes, quantiles."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from node.cli.asking import AskedStats
from node.cli.asking_more import AskedCount, AskedHistogram, AskedNearest, AskedQuantiles
from node.cli.parameters import NameList
from node.cli.question_options import COMMON, CRS, FIELDS, SUBJECT, asked_of, stack

F = TypeVar("F", bound=Callable[..., Any])

_NEAREST = (
    click.argument("place", nargs=-1, required=True, metavar="LON LAT|WKT|FILE"),
    click.option("--k", "count", type=click.IntRange(1, 10_000), default=10, show_default=True, help="几个 how many"),
    click.option(
        "--max-distance",
        type=click.FloatRange(0, 1_000_000),
        default=0.0,
        metavar="METRES",
        help="只取这么多米以内的 only features at most so far away [不限 any distance]",
    ),
    FIELDS,
    CRS,
)
_DISTINCT = (
    click.argument("fields", type=NameList(), metavar="FIELD[,FIELD…]"),
    click.option(
        "--top", type=click.IntRange(min=0), default=0, metavar="N", help="只取最多的 N 个 the N most frequent"
    ),
)
_ESTIMATE = click.option(
    "--estimate",
    is_flag=True,
    help="只依据注册中心的公布估计，不问成员 estimate from what the registry advertises, asking nobody",
)
_BINS = 10
_FIELD = click.argument("field", metavar="FIELD")
_HISTOGRAM = (
    _FIELD,
    click.option(
        "--bins", "count", type=click.IntRange(1, 1024), metavar="N", help="等宽分级数 equal classes  [default: 10]"
    ),
    click.option("--range", "between", type=NameList(), default="", metavar="A,B", help="在此两值之间 between these"),
    click.option("--edges", type=NameList(), default="", metavar="A,B,…", help="各级分界 the edges of all classes"),
)
_QUANTILES = (
    _FIELD,
    click.option(
        "--at", type=NameList(), default="0.25,0.5,0.75", show_default=True, metavar="Q,…", help="分位，0 至 1 shares"
    ),
)


def nearest_options(function: F) -> Callable[..., Any]:
    """Give a command the options of a question for the nearest features; it is called with `asked: AskedNearest`."""

    @functools.wraps(function)
    def command(
        *args: Any, place: tuple[str, ...], count: int, max_distance: float, fields: Any, crs: str, **given: Any
    ) -> Any:
        asked = AskedNearest(asked_of(given), place, count, max_distance, fields, crs)
        return function(*args, asked=asked, **given)

    return stack(command, (SUBJECT, *_NEAREST, *COMMON))


def distinct_options(function: F) -> Callable[..., Any]:
    """Give a command the options of a question for distinct values; it is called with `asked: AskedStats`."""

    @functools.wraps(function)
    def command(*args: Any, fields: Any, top: int, **given: Any) -> Any:
        asked = AskedStats(asked_of(given), fields, ("",), (), (), (), (), top)
        return function(*args, asked=asked, **given)

    return stack(command, (SUBJECT, *_DISTINCT, *COMMON))


def count_options(function: F) -> Callable[..., Any]:
    """Give a command the options of a question for a count; it is called with `asked: AskedCount`."""

    @functools.wraps(function)
    def command(*args: Any, estimate: bool, **given: Any) -> Any:
        return function(*args, asked=AskedCount(asked_of(given), estimate), **given)

    return stack(command, (SUBJECT, _ESTIMATE, *COMMON))


def histogram_options(function: F) -> Callable[..., Any]:
    """Give a command the options of a question for classes; it is called with `asked: AskedHistogram`."""

    @functools.wraps(function)
    def command(*args: Any, field: str, count: int | None, between: Any, edges: Any, **given: Any) -> Any:
        if edges and (count is not None or between):
            raise click.UsageError(
                "--edges 已定各级，不与 --bins、--range 同用 --edges goes without --bins and --range"
            )
        if between and len(between) != 2:
            raise click.UsageError("--range 为两个值 two values are needed: A,B")
        bins = AskedHistogram(asked_of(given), field, _BINS if count is None else count, between, edges)
        return function(*args, asked=bins, **given)

    return stack(command, (SUBJECT, *_HISTOGRAM, *COMMON))


def quantile_options(function: F) -> Callable[..., Any]:
    """Give a command the options of a question for quantiles; it is called with `asked: AskedQuantiles`."""

    @functools.wraps(function)
    def command(*args: Any, field: str, at: Any, **given: Any) -> Any:
        return function(*args, asked=AskedQuantiles(asked_of(given), field, at), **given)

    return stack(command, (SUBJECT, *_QUANTILES, *COMMON))
