"""A business table of plots in a database of its own, and a node that publishes from it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from demo.mesh import LocalMesh
from tests.support.databases import database_of, remove_database
from tests.support.layers import SOUTH, WEST
from tests.support.plots import FIELDS, NODE, Desk
from tests.support.small_mesh import PATIENT
from tests.support.version_mesh import operate

TABLE = "land.plots"
_CREATE = f"""
CREATE TABLE {TABLE} (
    bsm varchar(18), dlbm char(4) NOT NULL, mj numeric(12, 2) NOT NULL, bz text, objectid serial,
    geom geometry(Polygon, 4490)
)
"""
_SQUARE = "ST_MakeEnvelope({west}, {south}, {west} + 0.0002, {south} + 0.0002, 4490)"


@dataclass(frozen=True)
class Live:
    """A table, and the desk of the collection that is published from it."""

    desk: Desk
    url: str

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each in a transaction of its own; returns the rows of the last."""
        return asyncio.run(_run(self.url, statements))

    def fill(self, rows: int) -> None:
        """Make the table anew with some plots."""
        west, south = f"({WEST} + n % 100 * 0.0003)", f"({SOUTH} + n / 100 * 0.0003)"
        self.sql(
            "CREATE SCHEMA IF NOT EXISTS land",
            f"DROP TABLE IF EXISTS {TABLE} CASCADE",
            _CREATE,
            f"INSERT INTO {TABLE} SELECT '{NODE}' || lpad(n::text, 12, '0'), "
            f"(ARRAY['0101', '0102', '0103'])[n % 3 + 1], 1000 + n / 4.0, "
            f"CASE WHEN n % 4 = 0 THEN '第 ' || n || ' 块' END, n, "
            f"{_SQUARE.format(west=west, south=south)} FROM generate_series(0, {rows} - 1) AS n",
        )

    def publish(self, *words: str | Path, table: str = TABLE, code: int = 0) -> Any:
        """Publish from the table; returns the JSON."""
        place = ("--from-table", table, "--database", self.url)
        return operate(self.desk.mesh, NODE, "publish", self.desk.collection, *place, *words, code=code)

    def audit(self, *words: str, version: str = "", code: int = 0) -> Any:
        """Audit the table; returns the JSON."""
        target = f"{TABLE}@{self.desk.dataset}{version}"
        return operate(self.desk.mesh, NODE, "audit", target, "--database", self.url, *words, code=code)

    @property
    def memory(self) -> Path:
        """The page that tells of the fingerprints kept."""
        return self.desk.mesh.data_dir(NODE) / "tables" / self.desk.collection / "memory.json"


def faults(document: Any) -> list[str]:
    """Return the kinds of fault that a refused publish tells of."""
    return [item["kind"] for item in document["report"]["faults"]]


@contextmanager
def one_node(home: Path, *, postgis: bool) -> Iterator[LocalMesh]:
    """Run one node, with its rows in PostGIS or in DuckDB."""
    root, file = Path(tempfile.mkdtemp(prefix="gt-")), home / "store.url"
    overrides: dict[str, Any] = {}
    if postgis:
        file.write_text(database_of(home), encoding="ascii")
        file.chmod(0o600)
        overrides = {"store.kind": "postgis", "store.url_file": str(file), "store.connections": 8}
    mesh = LocalMesh(root, overrides=PATIENT)
    mesh.add(NODE, overrides=overrides)
    mesh.start()
    try:
        yield mesh
    finally:
        mesh.close()
        shutil.rmtree(root)
        if postgis:
            remove_database(home)


@contextmanager
def live_table(mesh: LocalMesh, folder: Path, test: str, rows: int, fields: str = FIELDS) -> Iterator[Live]:
    """Make a table of plots, and a collection of one test alone."""
    desk = Desk(mesh, f"{NODE}.t" + "".join(filter(str.isalnum, test.lower()))[-24:], folder)
    desk.define(fields)
    live = Live(desk, database_of(folder))
    live.fill(rows)
    yield live
    remove_database(folder)


async def _run(url: str, statements: tuple[str, ...]) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return [tuple(row) for row in await connection.fetch(statements[-1])]
    finally:
        await connection.close()
