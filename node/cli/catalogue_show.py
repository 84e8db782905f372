"""`guotu catalogue show`: the catalogue in force, or that of a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from node.cli.console import emit_json
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.registry_options import etcd_option, local_option, local_to, with_registry
from node.cli.session import Session


@click.command(
    "show",
    short_help="显示目录 show the catalogue",
    epilog=examples("guotu catalogue show", "guotu catalogue show catalogue-2027.toml --json"),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@etcd_option
@local_option
@json_option
@pass_session
def show_catalogue(session: Session, file: Path | None, etcd: tuple[str, ...], local: bool, as_json: bool) -> None:
    """显示注册中心里的目录；给出文件则检查并显示文件 show the catalogue in force, or check a file and show it."""
    from node.cli.collections import show_collections
    from node.cli.documents import collection_document
    from registry.catalogue import parse_catalogue, read_catalogue

    if file is not None:
        found = parse_catalogue(file, local_to(session, local)).collections
    else:
        found = asyncio.run(with_registry(session, etcd, read_catalogue)).collections
    if as_json:
        emit_json({"collections": [collection_document(item) for item in found]})
    else:
        show_collections(list(found))
