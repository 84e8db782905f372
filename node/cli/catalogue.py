"""`guotu catalogue`: the collections that the mesh agrees on, as a file and in the registry."""

from __future__ import annotations

import click

from node.cli.catalogue_apply import apply
from node.cli.catalogue_show import show_catalogue
from node.cli.console import emit_json
from node.cli.examples import examples
from node.cli.json_option import json_option


@click.group(
    short_help="全国数据目录 the catalogue of collections",
    epilog=examples(
        "guotu catalogue apply $(guotu catalogue path) --etcd 10.0.0.1:2379",
        "guotu catalogue apply catalogue-2027.toml --dry-run",
        "guotu catalogue show dltb-draft.toml",
    ),
)
def catalogue() -> None:
    """全国数据目录：先看差异，再写入注册中心 the catalogue of collections: see what changes, then put it in force."""


@catalogue.command(
    "path",
    short_help="随软件安装的目录文件 the catalogue installed with guotu",
    epilog=examples("guotu catalogue path"),
)
@json_option
def path(as_json: bool) -> None:
    """显示随软件安装的全国数据目录文件的位置 print where the installed national catalogue is."""
    from registry.catalogue import national_catalogue_path

    found = str(national_catalogue_path())
    if as_json:
        emit_json({"path": found})
    else:
        click.echo(found)


catalogue.add_command(apply)
catalogue.add_command(show_catalogue)
