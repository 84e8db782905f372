"""The option `--json`, the same on every command."""

from __future__ import annotations

import click

from node.cli.session import Session


def _remember(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    session = context.find_object(Session)
    if session is not None and value:
        session.json = True
    return value


json_option = click.option(
    "--json", "as_json", is_flag=True, is_eager=True, callback=_remember, help="输出 JSON 文档 print a JSON document"
)
pass_session = click.make_pass_decorator(Session)
