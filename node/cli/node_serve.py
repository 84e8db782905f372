"""`guotu node serve`: runs the node until it is told to stop."""

from __future__ import annotations

import click

from node.cli.examples import examples
from node.cli.json_option import pass_session
from node.cli.session import Session
from node.without import without_rich


@click.command(
    short_help="运行节点 run the node",
    epilog=examples(
        "guotu node serve",
        "guotu --config /etc/guotu/510000.toml node serve",
    ),
)
@pass_session
def serve(session: Session) -> None:
    """运行节点，直到收到 SIGTERM 或 Ctrl-C run the node until SIGTERM or Ctrl-C."""
    with without_rich():
        from node.serve import serve as run

    run(session.config())
