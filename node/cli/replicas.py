"""`guotu replicas`: what the node replicates, and how far it is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.wire.subscriptions import Replicas, SubscriptionsClient

_PAUSE_S = 1.0
"""Between one look and the next."""


@click.command(
    short_help="列出副本及其进展 list the replicas and their progress",
    epilog=examples(
        "guotu replicas",
        "guotu replicas --json",
        "guotu replicas --watch",
    ),
)
@click.option("--watch", is_flag=True, help="持续显示，直到 Ctrl-C keep showing until Ctrl-C")
@json_option
@pass_session
def replicas(session: Session, watch: bool, as_json: bool) -> None:
    """列出本节点的副本：版本、落后、状态、进度、错误 list this node's replicas: version, lag, state, progress, errors.

    在节点所在机器上运行，读取 --config。--watch 与 --json 同用时，每有变化输出一行 JSON。

    Run it on the node's machine; it reads --config. --watch with --json prints one line of JSON at each change.
    """
    from guotu.wire.subscriptions import SubscriptionsClient
    from node.cli.operating import admin_socket

    with SubscriptionsClient(admin_socket(session.config())) as subscriptions:
        if watch:
            _watch(subscriptions, as_json)
        else:
            _show(subscriptions.replicas(), as_json)


def _show(found: Replicas, as_json: bool) -> None:
    from node.cli.console import emit_json, show
    from node.cli.replica_table import replicas_document, replicas_table

    if as_json:
        emit_json(replicas_document(found))
    else:
        show(replicas_table(found))


def _watch(subscriptions: SubscriptionsClient, as_json: bool) -> None:
    """Show how things stand, again and again: in place on a terminal, elsewhere at each change."""
    from rich.live import Live

    from node.cli.console import stdout
    from node.cli.replica_table import replicas_document, replicas_table

    console = stdout()
    if as_json:
        for found in _changes(subscriptions):
            print(json.dumps(replicas_document(found), ensure_ascii=False), flush=True)
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            for found in _changes(subscriptions):
                live.update(replicas_table(found), refresh=True)
    else:
        for found in _changes(subscriptions):
            console.print(replicas_table(found))


def _changes(subscriptions: SubscriptionsClient) -> Iterator[Replicas]:
    """Yield how things stand, for ever, leaving out what is as before."""
    before: Replicas | None = None
    while True:
        found = subscriptions.replicas()
        if found != before:
            yield found
        before = found
        time.sleep(_PAUSE_S)
