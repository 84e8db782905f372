"""`guotu nodes`: who is registered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from node.cli.console import emit_json, say, show, table
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.model.records import NodeRecord


@click.command(
    short_help="列出在线节点 list the registered nodes",
    epilog=examples(
        "guotu nodes",
        "guotu nodes --division 510000 --json",
    ),
)
@click.option("--division", default="", metavar="CODE", help="只列该区划及其下各级 only this division and below")
@json_option
@pass_session
def nodes(session: Session, division: str, as_json: bool) -> None:
    """列出在线节点 list the registered nodes."""
    from node.cli.documents import node_document, state_document
    from node.cli.wording import when

    with session.client() as mesh:
        state = mesh.node()
        found = mesh.nodes(division)
    if as_json:
        emit_json({"nodes": [node_document(item) for item in found], "asked": state_document(state)})
        return
    columns = (
        "节点 node", "名称 name", "地址 address", "只经由 only through", "兼属 also under",
        "存储 store", "软件 software", "启动 started", "状态 state",
    )  # fmt: skip
    rows = [
        (
            item.node, item.name, item.address, item.reached_through, " ".join(item.also_under),
            item.store, item.software, when(item.started_ms), _state(item),
        )
        for item in found
    ]  # fmt: skip
    show(table(f"节点 nodes: {len(found)}", columns, rows))
    if state.stale_registry:
        as_of = when(state.directory_as_of_ms)
        say(
            f"注册中心失联，名单截至 the registry is out of reach; this list is as of {as_of} (STALE_REGISTRY)",
            "yellow",
        )


def _state(node: NodeRecord) -> str:
    return "移交 draining" if node.draining else "在线 up"
