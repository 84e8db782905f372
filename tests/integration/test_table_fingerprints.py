"""Fingerprints of a table's rows against the rows themselves: equal only where everything that is read is equal."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow as pa
import pytest

from guotu.model.collection import Collection, Family, Field, FieldType, GeometryType
from node.fingerprints.binding import TableOptions
from node.fingerprints.comparison import Difference, Irregular, compare
from node.fingerprints.draft import Draft
from node.ingest.kinds import FaultKind
from node.ingest.table import TableLayer
from node.stores.postgis.tables.statements import (
    Wanted,
    bound_filter,
    fingerprint_schema,
    fingerprints,
    keyed_rows,
    plain_rows,
)
from node.stores.postgis.tables.table import LiveTable
from tests.support.databases import database_of, remove_database

ROWS = 300
SEEDS = (5, 7)
CREATE = """
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE mood AS ENUM ('好', '坏');
CREATE DOMAIN code AS varchar(6);
CREATE TABLE t (
    k text PRIMARY KEY, i2 smallint, i4 int, i8 bigint, r real, d double precision, n numeric, w numeric(18, 0),
    p numeric(12, 2), c char(6), v varchar(20), o code, l text COLLATE loose, b boolean, day date, ts timestamp,
    tz timestamptz, u uuid, e mood, j jsonb, a int[], s interval, g geometry
)
"""
FILL = """
INSERT INTO t SELECT 'k' || i, i, i, i, i / 3.0, i / 7.0, i / 9.0, i, i / 4.0, 'c' || i, 'v' || i, 'o' || i, 'l' || i,
    mod(i, 2) = 0, date '2020-01-01' + i, timestamp '2020-01-01' + i * interval '1 hour',
    timestamptz '2020-01-01 00:00+08' + i * interval '1 hour', md5(i::text)::uuid, '好', jsonb_build_object('i', i),
    ARRAY[i, i + 1], i * interval '1 minute', ST_SetSRID(ST_MakePoint(i, i), 4490)
FROM generate_series(%d, %d) AS i
"""
# Each of them changes what is read of one row, k7, though PostgreSQL's own hashes, or equality, do not tell.
EDITS = {
    "bigint, folded to 32 bits": "i8 = 7::bigint << 32",
    "bigint, its complement": "i8 = -8",
    "numeric, its sign": "n = -n",
    "numeric that is no number": "n = 'NaN'",
    "whole numeric, its sign": "w = -w",
    "decimal": "p = p + 0.01",
    "timestamp, folded": "ts = timestamp '2000-01-01' + (("
    "(extract(epoch FROM ts - timestamp '2000-01-01') * 1000000)::bigint # 4294967297) * interval '1 microsecond')",
    "timestamp with zone": "tz = tz + interval '1 day'",
    "text of a loose collation": "l = upper(l)",
    "text, a space": "v = v || ' '",
    "text that becomes null": "v = NULL",
    "single precision": "r = r * 1.0000002",
    "double precision": "d = d * 1.0000000000000004",
    "enumeration": "e = '坏'",
    "json": "j = j || '{\"x\": 1}'",
    "array": "a = a || 9",
    "interval of the same length": "s = '0.1 day'",
    "boolean": "b = NOT b",
    "date": "day = day + 1",
    "uuid": "u = md5('x')::uuid",
    "domain": "o = 'zz'",
    "a value in its neighbour's place": "v = c, c = v",
    "geometry, its SRID": "g = ST_SetSRID(g, 4326)",
    "geometry, a height": "g = ST_Force3D(g)",
    "geometry, one bit": "g = ST_SetSRID(ST_MakePoint(7.000000000000001, 7), 4490)",
    "geometry, its type": "g = ST_Multi(g)",
    "geometry that becomes empty": "g = ST_SetSRID('POINT EMPTY'::geometry, 4490)",
}


class Desk:
    """A table, and its fingerprints at some moments."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self._moments = 0

    def sql(self, *statements: str) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(self.url)
            for statement in statements:
                await connection.execute(statement)
            await connection.close()

        asyncio.run(run())

    @contextmanager
    def wanted(self, where: str = "", key: str = "k") -> Iterator[tuple[LiveTable, Wanted, Any]]:
        with LiveTable(self.url, "t") as live:
            facts = live.open()
            column = next(item for item in facts.columns if item.name == key)
            yield live, Wanted(facts, facts.columns, facts.shapes[0], bound_filter(where, facts)), column

    def take(self, where: str = "", key: str = "k") -> Path:
        """Take the fingerprints down."""
        self._moments += 1
        path = self.folder / f"{self._moments}.arrow"
        with self.wanted(where, key) as (live, wanted, column), path.open("w+b") as file:
            draft = Draft(file, fingerprint_schema(column))
            draft.begin()
            for batch in live.rows([fingerprints(wanted, column, SEEDS)], draft.schema):
                draft.write(batch)
            draft.finish()
        return path

    def rows(self, where: str = "") -> dict[Any, Any]:
        """Return all that is read of each row, by key."""
        with self.wanted(where) as (live, wanted, _):
            batches = list(live.rows([plain_rows(wanted)], wanted.schema))
        return {row["k"]: repr(row) for batch in batches for row in batch.to_pylist()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(database_of(tmp_path), tmp_path)
    made.sql(*CREATE.split(";\n"), FILL % (1, ROWS))
    yield made
    remove_database(tmp_path)


def told(found: Difference) -> tuple[list[Any], list[Any]]:
    changed, deleted = (sorted([] if keys is None else keys.to_pylist()) for keys in (found.changed, found.deleted))
    return changed, deleted


def test_each_edit_shows_however_postgresql_hashes_it(desk: Desk) -> None:
    before, missed = desk.take(), []
    assert told(compare(before, desk.take())) == ([], [])
    rows = desk.rows()
    for name, edit in EDITS.items():
        desk.sql(f"UPDATE t SET {edit} WHERE k = 'k7'")
        if told(compare(before, desk.take())) != (["k7"], []):
            missed.append(name)
        desk.sql("DELETE FROM t WHERE k = 'k7'", FILL % (7, 7))
    assert missed == []
    assert desk.rows() == rows
    assert told(compare(before, desk.take())) == ([], [])


def test_random_edits_show_just_where_rows_differ(desk: Desk) -> None:
    luck = random.Random(11)
    for _ in range(4):
        before, old = desk.take(), desk.rows()
        some = [luck.randrange(ROWS) for _ in range(12)]
        edits = luck.sample([edit for name, edit in EDITS.items() if "SRID" not in name], 4)
        desk.sql(
            *(f"UPDATE t SET {edit} WHERE k = 'k{row}'" for edit, row in zip(edits, some, strict=False)),
            f"DELETE FROM t WHERE k IN ('k{some[5]}', 'k{some[6]}')",
            f"UPDATE t SET k = k || '-' || i8 WHERE k IN ('k{some[7]}', 'k{some[8]}')",
            f"UPDATE t SET v = v, i8 = i8 + 0, p = p * 1.0 WHERE k = 'k{some[9]}'",
        )
        new = desk.rows()
        changed = sorted(key for key in new if old.get(key) != new[key])
        gone = sorted(old.keys() - new.keys())
        now = desk.take()
        assert told(compare(before, now)) == (changed, gone)
        assert told(compare(before, now, rows_per_part=16)) == (changed, gone)


@pytest.mark.parametrize("key", ["k", "i2", "i4", "i8", "w", "c", "v", "o", "l", "u", "e", "day"])
def test_rows_by_key_are_read_as_all_rows_are(desk: Desk, key: str) -> None:
    with desk.wanted("b = TRUE AND i4 > 10", key) as (live, wanted, column):
        all_of_it = pa.Table.from_batches(list(live.rows([plain_rows(wanted)], wanted.schema)))
        some = [row[key] for row in all_of_it.to_pylist() if row["k"] in ("k12", "k300")]
        found = pa.Table.from_batches(list(live.rows([keyed_rows(wanted, column, some)], wanted.schema)))
    assert {"k12", "k300"} <= set(found["k"].to_pylist())
    assert len(found) == 2 or key == "e"
    expected = {row["k"]: row for row in all_of_it.to_pylist()}
    assert all(row == expected[row["k"]] for row in found.to_pylist())


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("i8 BETWEEN 3 AND 5", 3),
        ("p > 74.99", 1),
        ("v LIKE 'v29%'", 11),
        ("l LIKE 'l29%'", 11),
        ("u IS NULL", 0),
        ("e = '好' AND c = 'c1'", 1),
        ("day < DATE('2020-01-05')", 3),
        ("ts < DATE('2020-01-02')", 23),
        ("NOT b AND d < 1", 3),
        ("v IN ('v1', 'x'' OR TRUE')", 1),
    ],
)
def test_a_filter_is_on_the_table_s_own_columns(desk: Desk, where: str, rows: int) -> None:
    assert len(desk.rows(where)) == rows


def test_what_fingerprints_cannot_tell_is_irregular(desk: Desk) -> None:
    before = desk.take(key="v")
    numbers = desk.take(key="w")
    desk.sql("UPDATE t SET v = 'v1', w = 1 WHERE k = 'k2'")
    for old, key in ((before, "v"), (numbers, "w")):
        with pytest.raises(Irregular, match="twice"):
            compare(old, desk.take(key=key))
    desk.sql("UPDATE t SET v = NULL WHERE k = 'k2'")
    with pytest.raises(Irregular, match="null"):
        compare(before, desk.take(key="v"))
    with pytest.raises(Irregular, match="other columns"):
        compare(before, numbers)
    whole = desk.take()
    desk.sql("UPDATE t SET p = p + 1")
    with pytest.raises(Irregular, match="too much"):
        compare(whole, desk.take())
    whole.write_bytes(whole.read_bytes()[:-9])
    with pytest.raises(Irregular):
        compare(whole, before)


def test_whole_numbers_as_keys_are_told_exactly(desk: Desk) -> None:
    """Numbers that PostgreSQL hashes alike are still two keys."""
    desk.sql("UPDATE t SET i8 = 9::bigint << 32 WHERE k = 'k3'")
    before = desk.take(key="i8")
    desk.sql("UPDATE t SET p = 0 WHERE k = 'k3'", "DELETE FROM t WHERE k = 'k9'")
    assert told(compare(before, desk.take(key="i8"))) == ([9 << 32], [9])


@pytest.mark.parametrize(
    ("key", "kind", "told_by_fingerprints"),
    [
        ("k", FieldType.TEXT, True),
        ("i8", FieldType.TEXT, True),
        ("w", FieldType.INTEGER, True),
        ("k", FieldType.INTEGER, False),
        ("n", FieldType.INTEGER, False),
        ("p", FieldType.TEXT, False),
    ],
)
def test_a_table_without_geometries_is_read_by_the_fields_of_its_collection(
    desk: Desk, key: str, kind: FieldType, told_by_fingerprints: bool
) -> None:
    fields = (Field(key, "键", kind, length=20, nullable=False), Field("DAY", "日", FieldType.DATE))
    collection = Collection("c", Family.STATUS, "表", "A table", GeometryType.NONE, key, fields)
    mapping = tuple(
        (name, "") for name in ("i2", "i4", "r", "d", "c", "v", "o", "l", "b", "ts", "tz", "u", "e", "j", "a", "s")
    )
    with LiveTable(desk.url, "t") as live:
        layer = TableLayer(live, TableOptions("t", mapping=mapping), collection)
        assert (layer.key is not None) is told_by_fingerprints
        source = layer.source(lambda wanted: live.rows([plain_rows(wanted)], wanted.schema))
        rows = [row for batch in source.batches() for row in batch.to_pylist()]
    assert source.schema.names == [key, "DAY"]
    assert len(rows) == ROWS
    assert {"DAY": "2020-01-02"}.items() <= rows[0].items()
    assert [item.kind for item in source.notices if item.kind is FaultKind.NOTICE_GEOMETRY_DROPPED]
