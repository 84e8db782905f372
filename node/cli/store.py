"""`guotu store`: the database that a node keeps its rows in."""

from __future__ import annotations

import asyncio

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session


@click.group(
    short_help="节点的数据库 the database of a node",
    epilog=examples(
        "guotu store migrate --dry-run",
        "guotu store migrate",
    ),
)
def store() -> None:
    """节点的数据库 the database of a node (store.kind = "postgis")."""


@store.command(
    short_help="升级数据库模式 bring the schema in the database up to date",
    epilog=examples(
        "guotu store migrate --dry-run",
        "guotu --config /etc/guotu/510000.toml store migrate",
    ),
)
@click.option("--dry-run", is_flag=True, help="只显示将执行的 SQL only show the SQL that would be run")
@json_option
@pass_session
def migrate(session: Session, dry_run: bool, as_json: bool) -> None:
    """升级数据库中的 guotu 模式 bring the schema guotu in the database up to date.

    只前进，不后退；所有步骤在一个事务中完成。执行前请先停止节点。读取 --config。

    Steps go forward only, all of them in one transaction. Stop the node first. It reads --config.
    """
    from guotu.model.errors import InvalidConfig
    from node.cli.console import emit_json, say
    from node.stores.opening import postgis_options
    from node.stores.postgis.upgrade import upgrade

    section = session.config().store
    if section.kind != "postgis":
        detail = '只有 store.kind = "postgis" 才有可升级的模式 only store.kind = "postgis" has a schema to migrate'
        raise InvalidConfig(source="store", detail=detail)
    steps = asyncio.run(upgrade(postgis_options(section), dry_run=dry_run))
    if as_json:
        emit_json({"dry_run": dry_run, "steps": [{"number": step.number, "name": step.name} for step in steps]})
        return
    for step in steps:
        say(f"{step.number}  {step.name}")
        if dry_run:
            click.echo(step.sql)
    if not steps:
        say("模式已是最新 the schema is up to date")
    elif dry_run:
        say("以上为预演，未作改动 nothing was changed")
