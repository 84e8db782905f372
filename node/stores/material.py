"""What a node asks of a database that can give a version to others as an ordinary table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from guotu.model.collection import Collection

Progress = Callable[[str, int, int], None]
"""Told a stage ("load", "index", "compare", "apply"), the rows done in it and the rows to do; in the event loop."""
_MAX_NAME = 63
_RESERVED = ("guotu", "information_schema")


@dataclass(frozen=True, slots=True)
class TableName:
    """Where a table is."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read "schema.table"; names are taken as they are written, upper and lower case too.

        Raises:
            ValueError: it is not two names that a database can have, or a schema that is not for users' tables.
        """
        schema, _, table = text.partition(".")
        for name in (schema, table):
            if not 0 < len(name.encode()) <= _MAX_NAME or "\0" in name or "." in name or '"' in name:
                detail = f"{text!r}: 应为 SCHEMA.TABLE，各不超过 63 字节 must be SCHEMA.TABLE, each of at most 63 bytes"
                raise ValueError(detail)
        if schema in _RESERVED or schema.startswith("pg_"):
            detail = f"模式 {schema} 不供用户建表，请换一个 the schema {schema} is not for users' tables, name another"
            raise ValueError(detail)
        return cls(schema, table)


@dataclass(frozen=True, slots=True)
class Release:
    """A version that a table is to show."""

    dataset: str
    version: int
    manifest: str
    """SHA-256 of its manifest, hex."""
    description: str
    """Changes with all that is known of the collection: definition, names, secrecy."""
    published_ms: int
    """Milliseconds since 1970-01-01 UTC."""
    collection: Collection


@dataclass(frozen=True, slots=True)
class Material:
    """A table as the database knows it."""

    name: TableName
    dataset: str
    version: int
    manifest: str
    rows: int
    applied_ms: int
    """When it came to show that version, milliseconds since 1970-01-01 UTC."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of a table."""

    material: Material
    created: bool = False
    inserted: int = 0
    updated: int = 0
    deleted: int = 0


class MaterialTables(Protocol):
    """Tables for others, each of one dataset, which nobody else changes. Each call is one transaction, or nothing."""

    async def listed(self) -> Sequence[Material]:
        """Return the tables, sorted by dataset.

        Raises:
            StoreFailure: the database cannot tell.
        """

    async def make(self, name: TableName, release: Release, check: bool, progress: Progress) -> Brought:
        """Make a dataset's table if it has none, or bring it to a version; `check` compares it row by row.

        Raises:
            Conflict: the dataset has another table, or something else has the name, or others depend on what must go.
            UnknownVersion: the version cannot be read.
            StoreFailure: the database failed, or its user lacks a privilege; the text tells what to do.
        """

    async def bring(self, release: Release, progress: Progress) -> Brought:
        """Bring the table that a dataset has to a version.

        Raises:
            Conflict: it is gone, or is not what was made, or others depend on what must go.
            UnknownVersion: the version cannot be read.
            StoreFailure: the database failed.
        """

    async def drop(self, dataset: str) -> None:
        """Drop the table of a dataset and forget it; a table that is not there any more is only forgotten.

        Raises:
            Conflict: others depend on it; the text names them.
            StoreFailure: the database failed, or others hold the table.
        """

    async def close(self) -> None:
        """Disconnect; what is under way ends."""
