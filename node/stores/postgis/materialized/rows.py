"""The rows of a table for others, brought to those of a version; no row leaves the database."""

from __future__ import annotations

from dataclasses import dataclass

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.schema import PLACE
from node.stores.material import Progress
from node.stores.postgis import generations
from node.stores.postgis.catalogue import View
from node.stores.postgis.comparison import left_by, new_in
from node.stores.postgis.connection import Connection
from node.stores.postgis.materialized.layout import Layout
from node.stores.postgis.sql.parameters import PgParameters
from node.stores.postgis.sql.source import curve_order, source
from node.stores.sql.identifiers import ROWS, column, quote

_CAME, _GONE = "guotu_came", "guotu_gone"
"""Temporary tables of the transaction: rows that are new or other, and keys that may be no more."""
_PART_ROWS = 20_000
"""Rows put in by one statement at first, so that it can be told how far it is."""
_MUCH = 0.05
"""Share of a table's rows after whose change the planner looks at it anew."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of rows."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def all(self) -> int:
        """Return how many rows were touched."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True)
class Target:
    """A table, and the rows that it is to have."""

    connection: Connection
    table: str
    """Its quoted name."""
    layout: Layout
    collection: Collection
    progress: Progress

    async def fill(self, view: View) -> int:
        """Put all rows of a version into the new table, in curve order, then give it indexes; returns how many."""
        done = 0
        self.progress("load", 0, view.rows)
        for low, high in await self._parts(view):
            parameters = PgParameters()
            rows = source(view, self.collection, parameters)
            place = column(PLACE)
            bounds = [f"{place} >= {parameters.bind(low, 'bigint')}"]
            bounds += [] if high is None else [f"{place} < {parameters.bind(high, 'bigint')}"]
            done += await generations.touched(
                self.connection,
                f"INSERT INTO {self.table} ({self.layout.names}) SELECT {self.layout.all_taken()} FROM {rows} "  # noqa: S608
                f"WHERE {' AND '.join(bounds)} ORDER BY {curve_order(self.collection.key)}",
                parameters,
            )
            self.progress("load", done, view.rows)
        self.progress("index", 0, done)
        await self.add_key()
        if self.layout.has_geometry:
            await self.index_geometry()
        await self._analyze()
        self.progress("index", done, done)
        return done

    async def _parts(self, view: View) -> list[tuple[int, int | None]]:
        """Return bounds of places between which there are about as many rows; the last part has no upper one.

        They are what the planner knows of the store's table, which costs nothing to ask.
        """
        asked = (
            "SELECT histogram_bounds::text::bigint[] FROM pg_stats "
            "WHERE schemaname = current_schema AND tablename = $1 AND attname = $2"
        )
        bounds = await self.connection.fetchval(asked, view.generation.current, PLACE) or []
        step = max(1, len(bounds) * _PART_ROWS // max(view.rows, 1))
        cuts = sorted({bound for bound in bounds[step:-1:step] if bound > 0})
        return list(zip([0, *cuts], [*cuts, None], strict=True))

    async def add_key(self) -> None:
        """Let rows be found by their key."""
        await self.connection.execute(f"ALTER TABLE {self.table} ADD PRIMARY KEY ({quote(self.layout.key)})")

    async def index_geometry(self) -> None:
        """Let rows be found by where they are."""
        await self.connection.execute(f"CREATE INDEX ON {self.table} USING gist ({quote(GEOMETRY)})")

    async def follow(self, older: View, newer: View) -> Counts:
        """Bring rows from one version to a later one of its generation, at a cost in proportion to the change."""
        parameters = PgParameters()
        left = f"({left_by(older, newer, self.collection, parameters)}) AS {ROWS}"
        await self._keep(_GONE, f"SELECT {self._key} FROM {left}", parameters)  # noqa: S608 (names are quoted)
        parameters = PgParameters()
        new = f"({new_in(older, newer, self.collection, parameters)}) AS {ROWS}"
        await self._keep(_CAME, f"SELECT {self.layout.all_taken()} FROM {new}", parameters)  # noqa: S608
        return await self._apply(newer.rows)

    async def compare(self, view: View) -> Counts:
        """Compare each row with that of a version, and put right what differs."""
        self.progress("compare", 0, view.rows)
        key, same_key = quote(self.layout.key), f"{column(self.layout.key, 't')} = {self.layout.taken(self.layout.key)}"
        parameters = PgParameters()
        rows = source(view, self.collection, parameters)
        gone = f"SELECT t.{key} FROM {self.table} AS t WHERE NOT EXISTS (SELECT FROM {rows} WHERE {same_key})"  # noqa: S608
        await self._keep(_GONE, gone, parameters)
        parameters = PgParameters()
        rows = source(view, self.collection, parameters)
        came = (
            f"SELECT {self.layout.all_taken()} FROM {rows} WHERE NOT EXISTS "  # noqa: S608 (names are quoted)
            f"(SELECT FROM {self.table} AS t WHERE {same_key} AND {self.layout.same('t')})"
        )
        await self._keep(_CAME, came, parameters)
        self.progress("compare", view.rows, view.rows)
        return await self._apply(view.rows)

    @property
    def _key(self) -> str:
        return f"{self.layout.taken(self.layout.key)} AS {quote(self.layout.key)}"

    async def _keep(self, table: str, query: str, parameters: PgParameters) -> None:
        await self.connection.execute(f"DROP TABLE IF EXISTS {table}")
        await self.connection.execute(f"CREATE TEMP TABLE {table} ON COMMIT DROP AS {query}", *parameters.values)
        await self.connection.execute(f"ANALYZE {table}")

    async def _apply(self, rows: int) -> Counts:
        """Take out what is gone, change what is other, put in what is new: rows that stay keep who refers to them."""
        key, table, parameters = quote(self.layout.key), self.table, PgParameters()
        same, total = f"t.{key} = c.{key}", await self.connection.fetchval(f"SELECT count(*) FROM {_CAME}")  # noqa: S608
        self.progress("apply", 0, total)
        await self.connection.execute(f"DELETE FROM {_GONE} AS t USING {_CAME} AS c WHERE {same}")  # noqa: S608
        await self.connection.execute(f"ANALYZE {_GONE}")
        gone = f"DELETE FROM {table} AS t USING {_GONE} AS c WHERE {same}"  # noqa: S608 (names are quoted)
        deleted = await generations.touched(self.connection, gone, parameters)
        others = [name for name in self.layout.columns if name != self.layout.key]
        values = ", ".join(f"{quote(name)} = {column(name, 'c')}" for name in others) or f"{key} = c.{key}"
        changed = f"UPDATE {table} AS t SET {values} FROM {_CAME} AS c WHERE {same}"  # noqa: S608 (names are quoted)
        updated = await generations.touched(self.connection, changed, parameters)
        new = (
            f"INSERT INTO {table} ({self.layout.names}) SELECT {self.layout.names} FROM {_CAME} "  # noqa: S608
            f"ON CONFLICT ({key}) DO NOTHING"
        )
        counts = Counts(await generations.touched(self.connection, new, parameters), updated, deleted)
        self.progress("apply", total, total)
        if counts.all > _MUCH * rows:
            await self._analyze()
        return counts

    async def _analyze(self) -> None:
        await self.connection.execute(f"ANALYZE {self.table}")
