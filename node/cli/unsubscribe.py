"""`guotu unsubscribe`: the node lets go of replicas."""

from __future__ import annotations

import click

from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session


@click.command(
    short_help="取消订阅 end a subscription",
    epilog=examples(
        "guotu unsubscribe landcover",
        "guotu unsubscribe 510000/dltb --json",
    ),
)
@click.argument("subject", metavar="DATASET|COLLECTION")
@json_option
@pass_session
def unsubscribe(session: Session, subject: str, as_json: bool) -> None:
    """取消订阅，其副本不再保存 end a subscription; its replicas are no longer kept.

    所写与订阅时相同。在节点所在机器上运行，读取 --config。

    Name it as it was subscribed. Run it on the node's machine; it reads --config.
    """
    from guotu.wire.subscriptions import SubscriptionsClient
    from node.cli.console import emit_json, stdout
    from node.cli.operating import admin_socket

    with SubscriptionsClient(admin_socket(session.config())) as subscriptions:
        dropped = subscriptions.unsubscribe(subject)
    if as_json:
        emit_json({"subject": subject, "datasets": list(dropped)})
        return
    stdout().print(f"已取消订阅 unsubscribed  {subject}")
    stdout().print(f"不再保存 no longer kept: {', '.join(dropped) or '无 none'}")
