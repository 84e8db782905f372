"""What only the PostGIS store does: its schema, its manners in a database that is not its own, its connections."""

import json
import re
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pyarrow as pa
import pytest
import shapely
from click.testing import CliRunner

from guotu.model.errors import GuotuError, StoreFailure
from guotu.model.expression import Compare, Comparison, Spatial, SpatialRelation
from guotu.model.ports import Scan
from guotu.model.schema import stored_schema
from node.cli.program import program
from node.stores.postgis import migrations
from node.stores.postgis.migrations import MIGRATIONS, Migration, migrate
from node.stores.postgis.options import PostgisOptions
from node.stores.postgis.sql.retrieval import scan_statements
from node.stores.postgis.store import PostgisStore
from node.stores.postgis.upgrade import upgrade
from tests.support.databases import cluster, make_database
from tests.support.eventually import comes_to
from tests.support.features import COLLECTION, applied, drawn, parcels, removed, stored_rows
from tests.support.scan_order import in_scan_order
from tests.support.stores import apply, fetch, load, whole

DATASET = "510000/tb"
WINDOW = Spatial(SpatialRelation.INTERSECTS, shapely.to_wkb(shapely.box(101, 27, 101.2, 27.2)))


async def refusal(options: PostgisOptions) -> str:
    with pytest.raises(StoreFailure) as caught:
        await PostgisStore(options).open()
    password = options.url.partition("@")[0].rpartition(":")[2]
    assert password not in str(caught.value)
    return str(caught.value)


async def test_a_database_without_postgis_is_refused_with_the_remedy() -> None:
    options = PostgisOptions(make_database("template0"))
    assert "CREATE EXTENSION postgis" in await refusal(options)


async def test_a_database_of_another_encoding_is_refused() -> None:
    cluster().sql("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' OWNER guotu")
    url = make_database("template0").rpartition("/")[0]
    assert "UTF8" in await refusal(PostgisOptions(f"{url}/latin"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("guotu:", "guotu:wrong-", "login"),
        ("/t_", "/no_", "no such database"),
        (r"@127.0.0.1:\d+", "@127.0.0.1:1", "no connection"),
        (r"@127.0.0.1:", "@127.0.0.1:9", "cannot be read as the URL"),
        (r"@127.0.0.1:", "@127.0.0.1:x", "cannot be read as the URL"),
    ],
)
async def test_a_database_that_is_out_of_reach_is_told(options: PostgisOptions, old: str, new: str, told: str) -> None:
    assert told in await refusal(replace(options, url=re.sub(old, new, options.url)))


async def test_a_database_is_for_one_node(store: PostgisStore, options: PostgisOptions) -> None:
    assert "another node" in await refusal(replace(options, start_s=0.2))
    await store.close()
    again = PostgisStore(options)
    await again.open()
    await again.close()


async def test_guotu_keeps_to_its_schema(beside: Any, options: PostgisOptions) -> None:
    await beside.execute("CREATE TABLE public.versions (mine int); CREATE TABLE public.epoch (mine int)")
    before = await beside.fetch("SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace")
    store = PostgisStore(options)
    await store.open()
    await load(store, parcels(50))
    await store.close()
    after = await beside.fetch("SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace")
    homes = {row[0] for row in set(map(tuple, after)) - set(map(tuple, before))}
    assert homes == {"guotu", "pg_toast"}
    assert await beside.fetchval("SELECT count(*) FROM public.versions") == 0


async def test_migrations_are_told_and_taken(options: PostgisOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await upgrade(options, dry_run=True) == list(MIGRATIONS)
    assert await upgrade(options, dry_run=True) == list(MIGRATIONS)
    assert await upgrade(options, dry_run=False) == list(MIGRATIONS)
    assert await upgrade(options, dry_run=False) == []
    more = (*MIGRATIONS, Migration(MIGRATIONS[-1].number + 1, "a table more", "CREATE TABLE guotu.more (x int)"))
    monkeypatch.setattr(migrations, "MIGRATIONS", more)
    monkeypatch.setattr(migrations.pending, "__defaults__", (more,))
    monkeypatch.setattr(migrations.migrate, "__defaults__", (more,))
    assert "guotu store migrate" in await refusal(options)
    assert await upgrade(options, dry_run=True) == [more[-1]]
    assert await upgrade(options, dry_run=False) == [more[-1]]
    monkeypatch.undo()
    assert "later release" in await refusal(options)


async def test_a_migration_that_fails_changes_nothing(beside: Any) -> None:
    bad = (*MIGRATIONS, Migration(MIGRATIONS[-1].number + 1, "bad", "CREATE TABLE guotu.more (x int); SELECT 1 / 0"))
    with pytest.raises(asyncpg.PostgresError):
        await migrate(beside, bad)
    assert await beside.fetchval("SELECT to_regnamespace('guotu')") is None


async def test_a_running_node_is_not_migrated(store: PostgisStore, options: PostgisOptions) -> None:
    with pytest.raises(StoreFailure, match="another node"):
        await upgrade(replace(options, start_s=0.2), dry_run=False)
    assert await upgrade(options, dry_run=True) == []


async def tables(beside: Any) -> list[str]:
    rows = await beside.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'guotu'")
    return sorted(row[0] for row in rows if row[0].startswith(("current_", "history_", "change_")))


async def test_a_scan_of_two_parts_is_of_one_version(store: PostgisStore) -> None:
    """The rows of the base come first; a change made meanwhile takes away rows that are to come after these."""
    table = parcels(40_000)
    rows, others = stored_rows(table), stored_rows(parcels(40_000, seed=3))
    await load(store, table)
    change = others.slice(0, 300)
    await apply(store, change, 2)
    expected = in_scan_order(applied(rows, change), change["BSM"].to_pylist())["BSM"].to_pylist()
    reading = store.scan(DATASET, 2, COLLECTION, Scan(COLLECTION.column_names))
    found = [await anext(reading)]
    await apply(store, removed(change["BSM"].to_pylist()), 3)
    found += [batch async for batch in reading]
    assert pa.Table.from_batches(found)["BSM"].to_pylist() == expected
    base = len(expected) - 300
    for limit in (base - 1, base, base + 1, base + 299, base + 300, base + 400):
        limited = await fetch(store, COLLECTION, Scan(("BSM",), limit=limit), version=2)
        assert limited["BSM"].to_pylist() == expected[:limit]


async def count_of(listing: Awaitable[list[str]]) -> int:
    return len(await listing)


async def test_tables_go_when_nobody_reads_them(store: PostgisStore, beside: Any) -> None:
    await load(store, parcels(60_000))
    rows = store.scan(DATASET, 1, COLLECTION, Scan(COLLECTION.column_names))
    found = [await anext(rows)]
    await store.drop(DATASET, 1)
    assert len(await tables(beside)) == 2
    found += [batch async for batch in rows]
    assert pa.Table.from_batches(found).num_rows == 60_000
    await load(store, parcels(10), 2)
    await store.drop(DATASET, 2)

    assert await comes_to(0, lambda: count_of(tables(beside)))
    assert await beside.fetchval("SELECT count(*) FROM guotu.garbage") == 0


async def test_windows_take_the_index_in_every_version(store: PostgisStore, beside: Any) -> None:
    table = parcels(20_000)
    await load(store, table)
    await apply(store, stored_rows(table.slice(0, 100)), 2)
    await beside.execute("SET search_path = guotu, public")
    for version in (1, 2):
        for statement in scan_statements(
            (await store._database.catalogue()).view(DATASET, version), COLLECTION, Scan(("BSM",), WINDOW)
        ):
            plan = await beside.fetch(f"EXPLAIN {statement.text}", *statement.parameters)
            text = "\n".join(row[0] for row in plan)
            assert "Seq Scan on current" not in text
            assert "st_makeenvelope" in text or "_since_idx" in text


async def test_no_version_is_sorted_as_a_whole(store: PostgisStore, beside: Any) -> None:
    table = parcels(20_000)
    await load(store, table)
    await apply(store, stored_rows(table.slice(0, 100)), 2)
    await beside.execute("SET search_path = guotu, public")
    for version in (1, 2):
        view = (await store._database.catalogue()).view(DATASET, version)
        statement = scan_statements(view, COLLECTION, Scan(COLLECTION.column_names))[0]
        plan = await beside.fetch(f"EXPLAIN {statement.text}", *statement.parameters)
        sizes = [int(re.findall(r"rows=(\d+)", row[0])[0]) for row in plan if "Sort  (" in row[0]]
        assert all(size < 1000 for size in sizes), plan


async def test_columns_of_classes_have_an_index(store: PostgisStore, beside: Any) -> None:
    rows = parcels(2000)
    classes = pa.array([f"{number % 40:04}" for number in range(rows.num_rows)])
    await load(store, rows.set_column(rows.schema.get_field_index("DLBM"), "DLBM", classes))
    defined = await beside.fetch("SELECT indexdef FROM pg_indexes WHERE schemaname = 'guotu'")
    indexed = {match[1] for (text,) in defined if (match := re.search(r'current_.*\("(\w+)"\)$', text))}

    assert indexed == {"BSM", "DLBM"}


async def test_whatever_bytes_a_geometry_has_they_come_back(store: PostgisStore) -> None:
    shapes = [
        shapely.to_wkb(shapely.from_wkt(text), byte_order=order, flavor=flavor, output_dimension=4)
        for text in ("POLYGON Z((1 1 9,2 1 9,2 2 9,1 1 9))", "MULTIPOLYGON EMPTY", "POLYGON((2 2,1 1,2 1,2 2))")
        for order in (0, 1)
        for flavor in ("iso", "extended")
    ]
    shapes.append(shapely.to_wkb(shapely.from_wkt("POLYGON((-0.0 0,1 0,1 1,-0.0 0))")))
    table = parcels(len(shapes))
    table = table.set_column(9, table.schema.field("geometry"), pa.array(shapes, pa.binary()))
    rows = stored_rows(table)
    await store.stage(DATASET, 1, COLLECTION, drawn(rows))
    await store.activate(DATASET, 1)
    found = await whole(store.stored(DATASET, 1, COLLECTION), stored_schema(COLLECTION))
    assert found["geometry"].to_pylist() == rows["geometry"].to_pylist()
    assert (await fetch(store, COLLECTION, Scan(("BSM",), WINDOW))).num_rows == 0


async def test_what_postgresql_cannot_hold_is_refused_without_its_value(store: PostgisStore) -> None:
    for name, value in (("DLBM", "a\0secret"), ("TBMJ", 1e15)):
        table = parcels(1)
        place, field = table.schema.get_field_index(name), table.schema.field(name)
        table = table.set_column(place, field, pa.array([value], field.type))
        with pytest.raises(StoreFailure) as caught:
            await load(store, table)
        assert "secret" not in str(caught.value)
    assert await store.versions() == []


async def test_filters_compare_with_texts_that_it_cannot_hold(store: PostgisStore) -> None:
    await load(store, parcels(20))
    keys = sorted(parcels(20)["BSM"].to_pylist())
    for operator, count in ((Comparison.LT, 5), (Comparison.GE, 15), (Comparison.EQ, 0), (Comparison.NE, 20)):
        filter = Compare("BSM", operator, f"{keys[4]}\0")
        assert (await fetch(store, COLLECTION, Scan(("BSM",), filter))).num_rows == count


async def test_errors_quote_no_values(store: PostgisStore) -> None:
    rows = stored_rows(parcels(10))
    key = rows["BSM"][0].as_py()
    with pytest.raises(GuotuError) as caught:
        await store.stage(DATASET, 1, COLLECTION, drawn(rows, rows.slice(0, 1)))
    assert key not in str(caught.value)


async def test_what_a_crash_left_is_cleared(options: PostgisOptions, beside: Any) -> None:
    store = PostgisStore(options)
    await store.open()
    await load(store, parcels(10))
    await store.stage(DATASET, 2, COLLECTION, drawn(stored_rows(parcels(10))))
    await store.stage_change(DATASET, 2, COLLECTION, drawn(removed(["x"])))
    await store.close()
    await store.open()
    assert await comes_to(2, lambda: count_of(tables(beside)))
    await store.close()


def test_the_command_shows_the_steps_and_takes_them(options: PostgisOptions, tmp_path: Path) -> None:
    config = tmp_path / "guotu.toml"

    def run(*words: str) -> Any:
        done = CliRunner().invoke(program, ["--config", str(config), "store", "migrate", *words])
        assert "postgresql://" not in done.output
        return done

    config.write_text(f'store = "{options.url}"\n[node]\nid = "510000"\n', encoding="utf-8")
    shown = run("--dry-run")
    assert (shown.exit_code, "CREATE TABLE guotu.versions" in shown.stdout) == (0, True)
    all_steps = [{"number": step.number, "name": step.name} for step in MIGRATIONS]
    for words, steps in ((("--dry-run",), all_steps), ((), all_steps), ((), [])):
        assert json.loads(run(*words, "--json").stdout) == {"dry_run": bool(words), "steps": steps}
    assert "up to date" in run().stderr
    config.write_text('[node]\nid = "510000"\n', encoding="utf-8")
    assert run().exit_code == 2


async def test_each_change_of_versions_is_told(options: PostgisOptions) -> None:
    told: list[int] = []
    store = PostgisStore(options, lambda: told.append(len(told)))
    await store.open()
    rows = stored_rows(parcels(10))
    mended = rows.append_column("_since", pa.array([1] * 10, pa.int64()))
    for change in (
        load(store, parcels(10)),
        store.mend(DATASET, 1, COLLECTION, drawn(mended)),
        apply(store, removed(rows["BSM"].to_pylist()[:2]), 2),
        store.drop(DATASET, 1),
    ):
        before = len(told)
        await change
        assert len(told) > before
    before = len(told)
    await fetch(store, COLLECTION, Scan(("BSM",)), version=2)
    await store.close()
    assert len(told) == before
