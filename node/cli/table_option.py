"""The options that say which rows of which table are meant, of `guotu publish` and `guotu audit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

DATABASE_VARIABLE = "GUOTU_DATABASE"
"""Environment variable that stands for --database, so that a password need not stand on a command line."""


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --where, --geometry and --database to a command."""
    options = (
        click.option(
            "--where", default="", metavar="FILTER", help="只取表中这些行，CQL2 only these rows of the table, CQL2"
        ),
        click.option(
            "--geometry",
            default="",
            metavar="COLUMN",
            help="表的几何列 geometry column of the table [唯一者 the only one]",
        ),
        click.option(
            "--database",
            envvar=DATABASE_VARIABLE,
            default="",
            metavar="URL",
            help="表所在的数据库 postgresql:// of the table [节点自己的存储 the node's own store; env GUOTU_DATABASE]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
