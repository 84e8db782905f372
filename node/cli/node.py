"""`guotu node`: setting up and running a node."""

from __future__ import annotations

import click

from node.cli.examples import examples
from node.cli.node_drain import drain
from node.cli.node_init import init
from node.cli.node_resume import resume
from node.cli.node_serve import serve


@click.group(
    short_help="建立与运行节点 set up and run a node",
    epilog=examples(
        "guotu node init --id 510000 --etcd 10.0.0.1:2379",
        "guotu node serve",
        "guotu node drain",
    ),
)
def node() -> None:
    """建立与运行节点 set up and run a node."""


node.add_command(init)
node.add_command(serve)
node.add_command(drain)
node.add_command(resume)
