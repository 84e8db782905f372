"""`guotu node drain`: has the node hand over before its maintenance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.model.draining import DrainState


@click.command(
    short_help="维护前移交 hand over before maintenance",
    epilog=examples(
        "guotu node drain",
        "guotu --config /etc/guotu/510000.toml node drain --json",
    ),
)
@json_option
@pass_session
def drain(session: Session, as_json: bool) -> None:
    """维护前移交：其他节点改问副本，等到没有进行中的问题为止 hand over to replicas; waits for questions under way.

    没有副本的数据集仍由本节点作答；移交期间不能发布。重启后仍在移交，直到 guotu node resume。可重复运行；
    Ctrl-C 只停止等待。在节点所在机器上运行，读取 --config。

    Datasets that have no replica are still answered here; nothing is published meanwhile. It lasts over restarts, until
    guotu node resume. It may be run again; Ctrl-C ends the waiting only. Run it on the node's machine; it reads
    --config.
    """
    from node.cli.operating import admin_socket

    state = _wait(admin_socket(session.config()))
    if as_json:
        from node.cli.console import emit_json

        emit_json({"drained": state.drained, "alone": list(state.alone)})
    else:
        _show(state)


def _wait(socket: Path) -> DrainState:
    from guotu.model.errors import NodeUnavailable
    from guotu.wire.draining import DrainClient
    from node.cli.background import in_background
    from node.cli.console import say, stderr

    console, before = stderr(), ""
    with DrainClient(socket) as client, console.status("移交 handing over …") as status:
        for state in in_background(client.drain):
            if state.drained:
                return state
            now = _progress(state)
            status.update(now)
            if not console.is_terminal and now != before:
                say(now)
            before = now
    raise NodeUnavailable(address=str(socket), detail="没有结果 the node ended the call without a result")


def _progress(state: DrainState) -> str:
    if not state.told:
        return "等待注册中心 waiting for the registry …"
    return f"进行中 under way: {state.running}  排队 waiting: {state.waiting}"


def _show(state: DrainState) -> None:
    from node.cli.console import say

    say(
        "已移交，没有进行中的问题，可以停止节点 handed over: no question is under way, the node may be stopped", "green"
    )
    if state.alone:
        say(
            "以下数据集别处没有最新版，停止后无人作答 nobody else holds these at their head; they are missing while "
            f"the node is down: {', '.join(state.alone)}",
            "yellow",
        )
