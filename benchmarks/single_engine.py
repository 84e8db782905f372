"""The peer that the mesh is measured against: one DuckDB in this process that holds everything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from guotu.model.collection import GEOMETRY, Collection, Field, FieldType

TABLE = "dltb"
CORNERS = ("xmin", "ymin", "xmax", "ymax")
_HILBERT_BOX = "{'min_x': 73.0, 'min_y': 3.0, 'max_x': 136.0, 'max_y': 54.0}::BOX_2D"  # China, degrees
_PLAIN = {
    FieldType.TEXT: "VARCHAR",
    FieldType.INTEGER: "BIGINT",
    FieldType.DOUBLE: "DOUBLE",
    FieldType.DATE: "DATE",
    FieldType.BOOLEAN: "BOOLEAN",
}


class SingleEngine:
    """One table in Hilbert order with bbox columns, geometry in the engine's own type, decimals for exact sums.

    Of the forms tried (WKB in a BLOB or GEOMETRY; `&&` or bbox columns; the exact test for all rows or only for those
    that cross the window) this is the fastest one for its peer's questions.
    """

    def __init__(self, path: Path, memory_limit_mib: int, threads: int = 0) -> None:
        """Make the database file; `threads` 0 is as many as there are cores."""
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_limit_mib}MiB",
            "threads": threads or os.cpu_count() or 1,
            "autoinstall_known_extensions": False,
            "preserve_insertion_order": True,
        }
        self._connection = duckdb.connect(str(path), config=config)
        root = Path(str(files("duckdb_extension_spatial")))
        extension = root / "extensions" / f"v{duckdb.__version__}" / "spatial.duckdb_extension"
        self._connection.load_extension(str(extension))
        self._connection.execute("SET GLOBAL geometry_always_xy = true")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database."""
        self._connection.close()

    def load(self, sources: Sequence[Path], collection: Collection) -> int:
        """Load GeoParquet files of a collection with areas; return the rows."""
        columns = [f'"{item.name}"::{sql_type(item)} AS "{item.name}"' for item in collection.fields]
        corners = [f"ST_{corner}({GEOMETRY}) AS _{corner}" for corner in CORNERS]
        self._connection.execute(
            f"CREATE TABLE {TABLE} AS SELECT {', '.join([*columns, GEOMETRY, *corners])} FROM read_parquet($1) "
            f"ORDER BY ST_Hilbert({GEOMETRY}, {_HILBERT_BOX})",
            [[str(source) for source in sources]],
        )
        self._connection.execute("CHECKPOINT")
        return int(self.fetch(f"SELECT count(*) AS n FROM {TABLE}")["n"][0].as_py())

    def replace_shapes(self, name: str, rows: pa.Table) -> None:
        """Make a table `name` of rows with the columns `name` and `wkb`: columns `name` and `area`, a geometry."""
        self._connection.register("given", rows)
        self._connection.execute(
            f"CREATE OR REPLACE TABLE {name} AS SELECT name, ST_GeomFromWKB(wkb) AS area FROM given"
        )
        self._connection.unregister("given")

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Return the rows of a statement, all in memory."""
        return self._connection.execute(sql, list(parameters)).to_arrow_table()


def sql_type(field: Field) -> str:
    """Return the type of a field's column."""
    if field.type is FieldType.DECIMAL:
        return f"DECIMAL({field.width},{field.decimals})"
    return _PLAIN[field.type]


def outgoing(collection: Collection, names: Sequence[str]) -> str:
    """Return a select list with the types in which the mesh answers: decimals as doubles, geometry as WKB."""
    decimals = {item.name for item in collection.fields if item.type is FieldType.DECIMAL}
    return ", ".join(f'"{name}"::DOUBLE AS "{name}"' if name in decimals else f'"{name}"' for name in names)
