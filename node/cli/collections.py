"""`guotu collections`: the layers that the mesh agrees on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from node.cli.console import emit_json, show, stdout, table
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.model.collection import Collection, Field


@click.command(
    short_help="列出图层，或一个图层的字段与代码表 list collections, or one with fields and codes",
    epilog=examples(
        "guotu collections",
        "guotu collections dltb",
        "guotu collections dltb --json",
    ),
)
@click.argument("collection", required=False, default="", metavar="[ID]")
@json_option
@pass_session
def collections(session: Session, collection: str, as_json: bool) -> None:
    """列出图层；给出编号则列其字段与代码表 list the collections, or one with its fields and code lists."""
    from node.cli.documents import collection_document

    with session.client() as mesh:
        found = [mesh.collection(collection)] if collection else mesh.collections()
    if as_json:
        emit_json(
            collection_document(found[0]) if collection else {"collections": list(map(collection_document, found))}
        )
    elif collection:
        show_collection(found[0])
    else:
        show_collections(found)


def show_collections(found: list[Collection]) -> None:
    """Print one line a collection."""
    columns = ("图层 collection", "名称 title", "English", "类别 family", "几何 geometry", "主键 key", "字段 fields",
               "密级 classification", "版次 edition")  # fmt: skip
    rows = [
        (
            item.id, item.title, item.title_en, f"{item.family.chinese} {item.family}", item.geometry, item.key,
            len(item.fields), item.classification, item.edition,
        )
        for item in found
    ]  # fmt: skip
    show(table(f"图层 collections: {len(found)}", columns, rows, numeric=("字段 fields",)))


def show_collection(found: Collection) -> None:
    """Print a collection with its fields and code lists."""
    division = f"  区划字段 division field: {found.division_field}" if found.division_field else ""
    stdout().print(f"{found.id}  {found.title} {found.title_en}")
    stdout().print(f"类别 family: {found.family.chinese} {found.family}  几何 geometry: {found.geometry}  "
                   f"主键 key: {found.key}{division}  密级 classification: {found.classification}")  # fmt: skip
    stdout().print(f"来源 source: {found.source}  版次 edition: {found.edition}")
    columns = ("字段 field", "名称 title", "类型 type", "必填 required", "单位 unit", "代码表 codes", "说明 note")
    rows = [
        (item.name, item.title, type_text(item), "" if item.nullable else "是 yes", item.unit, item.codes, item.note)
        for item in found.fields
    ]
    show(table("字段 fields", columns, rows))
    for codes in found.code_lists.values():
        title = f"代码表 {codes.id}: {codes.title} ({codes.source})"
        show(table(title, ("代码 code", "名称 name"), codes.codes.items()))


def type_text(field: Field) -> str:
    """Return a field's type with its length or digits: "text(18)", "decimal(15,2)"."""
    if field.length:
        return f"{field.type}({field.length})"
    return f"{field.type}({field.width},{field.decimals})" if field.width else str(field.type)
