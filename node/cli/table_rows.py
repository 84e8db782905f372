"""The rows of a table for one publish: all of them, with their fingerprints taken down, or those of some keys."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import Collection
from guotu.model.schema import arrow_schema
from node.fingerprints.draft import Draft
from node.ingest.table import Read
from node.stores.postgis.tables.column import Column
from node.stores.postgis.tables.statements import (
    Wanted,
    fingerprint_schema,
    keyed_rows,
    plain_rows,
    rows_and_fingerprints,
)
from node.stores.postgis.tables.table import LiveTable

_KEYS = 100_000
"""Keys that are asked for at once."""


def all_rows(live: LiveTable) -> Read:
    """Return what reads all rows."""
    return lambda wanted: live.rows([plain_rows(wanted)], wanted.schema)


def noted_rows(live: LiveTable, all_of_it: Wanted, key: Column, seeds: tuple[int, int], draft: Draft) -> Read:
    """Return what reads all rows, and takes fingerprints down where all that is published is read."""

    def read(wanted: Wanted) -> Iterator[pa.RecordBatch]:
        if wanted != all_of_it:
            yield from live.rows([plain_rows(wanted)], wanted.schema)
            return
        draft.begin()
        width = len(wanted.schema)
        schema = pa.schema([*wanted.schema, *fingerprint_schema(key)])
        for batch in live.rows([rows_and_fingerprints(wanted, key, seeds)], schema):
            draft.write(pa.RecordBatch.from_arrays(batch.columns[width:], schema=draft.schema))
            yield pa.RecordBatch.from_arrays(batch.columns[:width], schema=wanted.schema)
        draft.finish()

    return read


def rows_of(live: LiveTable, key: Column, keys: pa.Array) -> Read:
    """Return what reads the rows with these keys, byte for byte: equality in the database may be wider."""

    def read(wanted: Wanted) -> Iterator[pa.RecordBatch]:
        names = wanted.schema.names
        with_key = (
            wanted
            if key in wanted.columns
            else Wanted(wanted.facts, (*wanted.columns, key), wanted.shape, wanted.filter)
        )
        for start in range(0, len(keys), _KEYS):
            some = keys.slice(start, _KEYS)
            statement = keyed_rows(with_key, key, some.to_pylist())
            for batch in live.rows([statement], with_key.schema):
                yield batch.filter(pc.is_in(batch.column(key.name), some)).select(names)

    return read


def with_nulls(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield batches with a column of nulls for each of the schema that they lack."""
    for batch in batches:
        columns = [
            batch.column(field.name) if field.name in batch.schema.names else pa.nulls(batch.num_rows, field.type)
            for field in schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def filled_schema(schema: pa.Schema, collection: Collection, missing: tuple[str, ...]) -> pa.Schema:
    """Return the schema of rows with the fields that no column stands for, which are null."""
    whole = arrow_schema(collection)
    return pa.schema([*schema, *((name, whole.field(name).type) for name in missing)])
