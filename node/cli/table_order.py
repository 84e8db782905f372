"""Which table is read, and where: what the options of `guotu publish` and `guotu audit` say."""

from __future__ import annotations

from dataclasses import dataclass, field

from guotu.model.errors import InvalidQuestion
from node.cli.table_option import DATABASE_VARIABLE
from node.config import NodeConfig
from node.config.credentials import read_url, url_fault
from node.fingerprints.binding import TableOptions


@dataclass(frozen=True, slots=True)
class TableOrder:
    """A table, and what is wanted of it."""

    table: str
    where: str = ""
    geometry: str = ""
    database: str = field(default="", repr=False)
    """URL of the database, which may have a password; empty: the node's own."""
    key: str = ""
    mapping: tuple[tuple[str, str], ...] = ()
    crs: str = ""
    repair: bool = False


def table_options(order: TableOrder) -> TableOptions:
    """Return how the table is read, apart from where it is."""
    return TableOptions(
        table=order.table,
        where=order.where,
        geometry=order.geometry,
        key=order.key,
        mapping=tuple(sorted(order.mapping)),
        crs=order.crs,
        repair=order.repair,
    )


def database_url(given: str, config: NodeConfig) -> str:
    """Return the URL of the database that is meant: the one given, or else that of the node's store.

    Raises:
        InvalidQuestion: it is none, or the node has no database of its own.
        InvalidConfig: the file that holds the store's URL cannot be read.
    """
    if given:
        if fault := url_fault(given):
            raise InvalidQuestion(part="--database", detail=fault)
        return given
    if config.store.kind != "postgis":
        detail = (
            f"本节点没有自己的 PostGIS 数据库，请用 --database 或环境变量 {DATABASE_VARIABLE} 给出 "
            f"this node has no PostGIS database of its own: name one with --database, or in {DATABASE_VARIABLE}"
        )
        raise InvalidQuestion(part="--database", detail=detail)
    return config.store.url if config.store.url_file is None else read_url(config.store.url_file)
