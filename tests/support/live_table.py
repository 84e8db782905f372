"""A business table of plots in a database of its own, and publishing from it with the real command."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.support.layers import SOUTH, WEST
from tests.support.plots import NODE, Desk
from tests.support.small_mesh import run_guotu

TABLE = "land.plots"
CREATE = f"""
CREATE SCHEMA IF NOT EXISTS land;
CREATE TABLE {TABLE} (
    bsm varchar(18) PRIMARY KEY, dlbm char(4) NOT NULL, mj numeric(12, 2) NOT NULL, bz text,
    objectid serial, geom geometry(Polygon, 4490)
);
"""
SQUARE = "ST_MakeEnvelope({west}, {south}, {west} + 0.0002, {south} + 0.0002, 4490)"


@dataclass(frozen=True)
class Live:
    """A table, and the desk of the collection that is published from it."""

    desk: Desk
    url: str

    def sql(self, *statements: str) -> Any:
        """Run statements, each in a transaction of its own; returns the rows of the last as tuples."""
        return asyncio.run(self._run(statements))

    async def _run(self, statements: tuple[str, ...]) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return [tuple(row) for row in await connection.fetch(statements[-1])]
        finally:
            await connection.close()

    def fill(self, rows: int) -> None:
        """Make the table anew with some plots, those of `tests.support.plots.layer`."""
        west, south = f"{WEST} + n % 100 * 0.0003", f"{SOUTH} + n / 100 * 0.0003"
        self.sql(
            f"DROP TABLE IF EXISTS {TABLE} CASCADE",
            *CREATE.split(";\n")[:2],
            f"INSERT INTO {TABLE} SELECT '{NODE}' || lpad(n::text, 12, '0'), "
            f"(ARRAY['0101', '0102', '0103'])[n % 3 + 1], 1000 + n / 4.0, "
            f"CASE WHEN n % 4 = 0 THEN '第 ' || n || ' 块' END, n, "
            f"{SQUARE.format(west=f'({west})', south=f'({south})')} FROM generate_series(0, {rows} - 1) AS n",
            f"ANALYZE {TABLE}",
        )

    def publish(self, *words: str | Path, code: int = 0) -> Any:
        """Publish from the table; returns the JSON."""
        return self.desk.publish("--from-table", TABLE, "--database", self.url, *words, code=code)

    def audit(self, *words: str, version: str = "", code: int = 0) -> Any:
        """Audit the table; returns the JSON."""
        target = f"{TABLE}@{self.desk.dataset}{version}"
        ran = run_guotu("audit", target, "--database", self.url, *words, "--json", config=self.desk.mesh.config(NODE))
        assert ran.code == code, ran.out + ran.err
        return ran.json

    def memory(self) -> Path:
        """Return the page that tells of the fingerprints kept."""
        return self.desk.mesh.data_dir(NODE) / "tables" / self.desk.collection / "memory.json"
