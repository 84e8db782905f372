"""`guotu node resume`: has the node take its part again after its maintenance."""

from __future__ import annotations

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session


@click.command(
    short_help="维护后恢复 take part again after maintenance",
    epilog=examples(
        "guotu node resume",
        "guotu node resume --json",
    ),
)
@json_option
@pass_session
def resume(session: Session, as_json: bool) -> None:
    """维护后恢复：结束 guotu node drain 的移交 end what guotu node drain began. 可重复运行 may be run again.

    在节点所在机器上运行，读取 --config。

    Run it on the node's machine; it reads --config.
    """
    from guotu.wire.draining import DrainClient
    from node.cli.console import emit_json, say
    from node.cli.operating import admin_socket

    with DrainClient(admin_socket(session.config())) as client:
        changed = client.resume()
    if as_json:
        emit_json({"changed": changed})
    elif changed:
        say("已恢复 the node takes its part again", "green")
    else:
        say("节点并未在移交 the node was not being drained")
