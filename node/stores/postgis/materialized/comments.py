"""What the database says of a table and its columns, in Chinese and English."""

from __future__ import annotations

from datetime import UTC, datetime

from guotu.model.collection import GEOMETRY, Collection, Field
from node.stores.material import Release, TableName
from node.stores.postgis.connection import Connection
from node.stores.postgis.materialized.relation import quoted
from node.stores.sql.identifiers import quote


async def comment_table(connection: Connection, name: TableName, release: Release) -> None:
    """Tell which version of which dataset the table shows; locks nobody out."""
    (text,) = await _literals(connection, [_of_table(release)])
    await connection.execute(f"COMMENT ON TABLE {quoted(name)} IS {text}")


async def comment_columns(connection: Connection, name: TableName, collection: Collection) -> None:
    """Tell what the columns are."""
    texts = {field.name: _of_field(field, collection) for field in collection.fields}
    if collection.has_geometry:
        texts[GEOMETRY] = "几何 geometry；CGCS2000 EPSG:4490，经度在前 longitude first"
    for column, literal in zip(texts, await _literals(connection, list(texts.values())), strict=True):
        await connection.execute(f"COMMENT ON COLUMN {quoted(name)}.{quote(column)} IS {literal}")


def _of_table(release: Release) -> str:
    collection = release.collection
    day = datetime.fromtimestamp(release.published_ms / 1000, UTC).date().isoformat()
    parts = (
        f"{collection.title} {collection.title_en}",
        f"数据集 dataset {release.dataset}，版本 version {release.version}，{day}",
        f"来源 source: {collection.source}" if collection.source else "",
        "由 guotu 维护，只读 kept by guotu, read-only",
    )
    return "；".join(filter(None, parts))


def _of_field(field: Field, collection: Collection) -> str:
    codes = collection.code_lists.get(field.codes)
    parts = (
        f"{field.title} {field.name}",
        f"单位 unit: {field.unit}" if field.unit else "",
        f"代码表 code list: {codes.title} {codes.id}" if codes else "",
        "主键 key" if field.name == collection.key else "",
        field.note,
    )
    return "；".join(filter(None, parts))


async def _literals(connection: Connection, texts: list[str]) -> list[str]:
    """Have the server write texts as literals, since comments take no parameters."""
    asked = "SELECT quote_literal(text) FROM unnest($1::text[]) WITH ORDINALITY AS given(text, number) ORDER BY number"
    return [row[0] for row in await connection.fetch(asked, texts)]
