"""Laws of deltas: what turns A into B turns A into B, whatever A and B, and the sums follow."""

import asyncio
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.schema import stored_schema
from sync.changes import Changes
from sync.datafile import Division, FileSizes
from sync.delta import DELETE, INSERT, OLD, OLD_CORNERS, OP, UPDATE, changes_of_delta, delta_schema, write_deltas
from sync.prepared import stored_batches
from sync.proof import digest_of_state, state_bytes
from sync.setdigest import SetDigest
from sync.spool import Spool
from sync.survey import survey
from tests.support.memory_store import MemoryStore
from tests.support.sync_samples import DATASET, PARCELS, as_rows, write_spool

boxes = st.tuples(st.integers(90, 130), st.integers(20, 40)).map(lambda at: shapely.box(*at, at[0] + 1, at[1] + 1))
shapes = st.none() | st.just(shapely.from_wkt("POLYGON EMPTY")) | boxes
states = st.tuples(st.none() | st.sampled_from(["水田", "旱地", ""]), st.none() | st.integers(0, 400), shapes)
layers = st.dictionaries(st.integers(0, 40).map("k{:02d}".format), states, max_size=25)
Layer = dict[str, tuple[str | None, int | None, shapely.Polygon | None]]


def table(layer: Layer) -> pa.Table:
    count = len(layer)
    columns = {
        "BSM": list(layer),
        "DLMC": [state[0] for state in layer.values()],
        "TBMJ": [None if state[1] is None else state[1] / 4 for state in layer.values()],
        "GDPDJB": [None] * count, "GXSJ": [None] * count, "YXSJ": [None] * count, "KD": [None] * count,
        "geometry": [None if state[2] is None else shapely.to_wkb(state[2]) for state in layer.values()],
    }  # fmt: skip
    return as_rows(PARCELS, columns)


def stored(layer: Layer) -> pa.Table:
    return pa.Table.from_batches(stored_batches(table(layer).to_batches(), PARCELS), stored_schema(PARCELS))


def digest_of(rows: pa.Table) -> SetDigest:
    digest = SetDigest()
    for batch in rows.to_batches():
        digest.add(batch["BSM"], batch["_hash"])
    return digest


async def find_delta(folder: Path, before: Layer, after: Layer) -> tuple[list[Path], SetDigest]:
    """Write the delta between two layers as a publish does, with few rows a file and a group."""
    store, rows = MemoryStore(), stored(before)
    await store.stage(DATASET, 1, PARCELS, lambda: iter(rows.to_batches()))
    await store.activate(DATASET, 1, state_bytes(digest_of(rows)))
    with Spool(write_spool(folder / "spool", table(after), 7), PARCELS) as spool:
        found = survey(spool, folder, lambda count: None, summed=False)
        changes = Changes(folder / "changes", spool, found, digest_of_state(await store.state(DATASET, 1)))
        async for batch in store.compare(DATASET, 1, PARCELS, lambda: found.hashed_keys(spool)):
            changes.take(batch)
        change = changes.finish()
        sizes = FileSizes(group_rows=3, window_rows=5, target_bytes=1, least_bytes=0)
        division = Division(change.count, folder, "delta", lambda count: None, sizes)
        files = list(write_deltas(changes.windows(), PARCELS, division))
    assert sum(item.rows for item in files) == change.count
    assert changes.digest is not None
    return [item.path for item in files], changes.digest


def applied(before: pa.Table, changes: list[pa.RecordBatch]) -> pa.Table:
    after = {row["BSM"]: row for row in before.to_pylist()}
    for row in pa.Table.from_batches(changes, before.schema).to_pylist():
        after.pop(row["BSM"], None)
        if row["_hash"] is not None:
            after[row["BSM"]] = row
    return pa.Table.from_pylist(list(after.values()), before.schema)


def by_key(rows: pa.Table) -> list[str]:
    """Rows as text, since NaN is not equal to itself."""
    return sorted(map(repr, rows.to_pylist()))


@settings(max_examples=40, deadline=None)
@given(layers, layers)
def test_applying_a_delta_gives_the_layer_it_leads_to(before: Layer, after: Layer) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths, digest = asyncio.run(find_delta(Path(folder), before, after))
        rows = applied(stored(before), list(changes_of_delta(paths, PARCELS)))
    expected = stored(after)
    assert by_key(rows) == by_key(expected)
    assert digest.state == digest_of(expected).state
    assert (digest.buckets == digest_of(expected).buckets).all()


@settings(max_examples=40, deadline=None)
@given(layers, layers)
def test_a_delta_tells_what_it_replaces_and_only_what_differs(before: Layer, after: Layer) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths, _ = asyncio.run(find_delta(Path(folder), before, after))
        delta = pa.concat_tables([delta_schema(PARCELS).empty_table(), *map(pq.read_table, paths)])
    olds = {row["BSM"]: row for row in stored(before).to_pylist()}
    news = {row["BSM"]: row for row in stored(after).to_pylist()}
    differing = {key for key in olds | news if olds.get(key, {}).get("_hash") != news.get(key, {}).get("_hash")}
    assert sorted(delta["BSM"].to_pylist()) == sorted(differing)
    for row in delta.to_pylist():
        old, new = olds.get(row["BSM"]), news.get(row["BSM"])
        assert row[OP] == (INSERT if old is None else DELETE if new is None else UPDATE)
        assert row[OLD] == (None if old is None else old["_hash"][:8])
        moved = old is not None and (new is None or new["geometry"] != old["geometry"])
        corners = None if old is None else [old[name] for name in ("_xmin", "_ymin", "_xmax", "_ymax")]
        solid = moved and corners is not None and not any(value is None or np.isnan(value) for value in corners)
        assert [row[name] for name in OLD_CORNERS] == (corners if solid else [None] * 4)


@settings(max_examples=20, deadline=None)
@given(layers, layers)
def test_what_is_not_held_becomes_a_delete(before: Layer, after: Layer) -> None:
    def keep(rows: pa.RecordBatch) -> np.ndarray:
        return np.array([key < "k20" for key in rows["BSM"].to_pylist()], bool)

    with tempfile.TemporaryDirectory() as folder:
        paths, _ = asyncio.run(find_delta(Path(folder), before, after))
        changes = list(changes_of_delta(paths, PARCELS, keep))
    held = stored(before).filter(pc.less(stored(before)["BSM"], "k20"))
    expected = stored(after).filter(pc.less(stored(after)["BSM"], "k20"))
    assert by_key(applied(held, changes)) == by_key(expected)
