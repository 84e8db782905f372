"""Click options of pages: how many rows, and after which page."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guotu.model.errors import InvalidQuestion

if TYPE_CHECKING:
    from guotu.model.question import Page

_LONGEST_NAME = 4096
_TOKEN = re.compile(r"[\w-]*", re.ASCII)


def page_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--page-size` and `--page`; it is called with `page: Page | None`."""

    @click.option(
        "--page-size",
        type=click.IntRange(1, 1_000_000),
        metavar="N",
        help="分页，每页至多 N 行，各页同一切面 one page of at most N rows; all pages are of one cut",
    )
    @click.option(
        "--page",
        "token",
        default="",
        metavar="TOKEN|FILE",
        help="接着上一页：其 next_page，或存它的文件 go on after a page: its next_page, or the file with it",
    )
    @functools.wraps(function)
    def command(*args: Any, page_size: int | None, token: str, **given: Any) -> Any:
        return function(*args, page=_page(page_size, token), **given)

    return command


def _page(size: int | None, token: str) -> Page | None:
    from guotu.model.question import Page

    if size is None:
        if token:
            raise click.UsageError("--page 须与 --page-size 同用 --page goes with --page-size")
        return None
    saved = Path(token)
    if token and len(token) < _LONGEST_NAME and saved.is_file():
        return Page(size, _next_of(saved))
    if not _TOKEN.fullmatch(token):
        detail = f"{token[:80]!r}: 没有此文件，也不是 next_page there is no such file, nor is it a next_page"
        raise InvalidQuestion(part="--page", detail=detail)
    return Page(size, token)


def _next_of(saved: Path) -> str:
    """Return the token of the page after a saved one.

    Raises:
        InvalidQuestion: it is no saved page, or the last one.
    """
    from node.cli.saved_answer import read_account

    token = read_account(saved, "--page").get("next_page")
    if not isinstance(token, str) or not token:
        raise InvalidQuestion(part="--page", detail=f"{saved}: 之后没有下一页 there is no page after it")
    return token
