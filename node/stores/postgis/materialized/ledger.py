"""Which tables there are for others, and what each shows; changed in the transactions that change the tables."""

from __future__ import annotations

from dataclasses import dataclass

from node.stores.material import Material, TableName
from node.stores.postgis.connection import Connection
from node.stores.postgis.materialized.layout import Layout

_COLUMNS = (
    "dataset, schema_name, table_name, table_oid, layout, version, mark::text, mends, manifest, description, "
    "row_count, (extract(epoch FROM applied_at) * 1000)::bigint"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A table and what it shows."""

    dataset: str
    name: TableName
    oid: int
    """By which the database knows the table, whatever stands in its place later."""
    layout: Layout
    version: int
    mark: str
    """What the store knew the version by; see `node.stores.postgis.catalogue.mark`."""
    mends: int
    """How often rows of the version's generation had been put right by then."""
    manifest: str
    description: str
    rows: int
    applied_ms: int = 0
    """When it came to show the version, milliseconds since 1970-01-01 UTC; told by the database."""

    @property
    def material(self) -> Material:
        """Return what others are told of it."""
        return Material(self.name, self.dataset, self.version, self.manifest, self.rows, self.applied_ms)


async def entries(connection: Connection) -> list[Entry]:
    """Return all entries, sorted by dataset."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM materials ORDER BY dataset")  # noqa: S608 (a constant)
    return [Entry(row[0], TableName(row[1], row[2]), row[3], Layout.parse(row[4]), *tuple(row)[5:]) for row in rows]


async def entry(connection: Connection, dataset: str) -> Entry | None:
    """Return the entry of a dataset; None if it has no table."""
    return next((item for item in await entries(connection) if item.dataset == dataset), None)


async def enter(connection: Connection, item: Entry) -> None:
    """Note what a table shows from now on, in place of what is noted of its dataset."""
    await strike_out(connection, item.dataset)
    await connection.execute(
        "INSERT INTO materials VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now())",
        *(item.dataset, item.name.schema, item.name.table, item.oid, item.layout.to_json(), item.version),
        *(item.mark, item.mends, item.manifest, item.description, item.rows),
    )


async def strike_out(connection: Connection, dataset: str) -> None:
    """Forget the table of a dataset."""
    await connection.execute("DELETE FROM materials WHERE dataset = $1", dataset)
