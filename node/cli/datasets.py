"""`guotu datasets`: who holds what."""

from __future__ import annotations

import click

from node.cli.console import emit_json, show, table
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session


@click.command(
    short_help="列出数据集 list the datasets",
    epilog=examples(
        "guotu datasets",
        "guotu datasets dltb --json",
    ),
)
@click.argument("collection", required=False, default="", metavar="[COLLECTION]")
@click.option(
    "--scope",
    type=click.Choice(["self", "subtree"]),
    default="subtree",
    show_default=True,
    help="只列本节点，或含其下各级 the node alone, or everything below it too",
)
@json_option
@pass_session
def datasets(session: Session, collection: str, scope: str, as_json: bool) -> None:
    """列出数据集及其最新版本 list the datasets with their newest version."""
    from node.cli.documents import dataset_document
    from node.cli.wording import count, extent, when

    with session.client() as mesh:
        found = mesh.datasets(collection, scope)
    if as_json:
        emit_json({"datasets": [dataset_document(item) for item in found]})
        return
    columns = ("数据集 dataset", "版本 version", "行 rows", "面积 territory km²", "范围 extent", "发布 published",
               "摘要 digest")  # fmt: skip
    rows = [
        (
            item.dataset, item.version, count(item.rows), f"{item.territory_m2 / 1e6:,.1f}", extent(item.extent),
            when(item.published_ms), item.digest[:12],
        )
        for item in found
    ]  # fmt: skip
    show(table(f"数据集 datasets: {len(found)}", columns, rows, numeric=columns[1:4]))
