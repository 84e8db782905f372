"""Whatever the sequence of steps, every readable version is what a plain model says, in the order that it says."""

import asyncio
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from guotu.model.errors import UnknownVersion
from guotu.model.ports import FeatureStore, Scan
from guotu.model.schema import PLACE, change_schema, difference_schema, effect_schema, stored_schema
from tests.support.features import drawn, parcels, removed, sample_collection, stored_rows
from tests.support.memory_store import MemoryStore
from tests.support.scan_order import in_scan_order
from tests.support.stores import STORES, fetch, make_store, whole
from tests.support.version_model import Contents, VersionModel

COLLECTION = sample_collection()
SCHEMA = stored_schema(COLLECTION)
KEYS = [f"5101{number:012d}" for number in range(80)]
ACTIVE = KEYS[:12]
VARIANTS = 3
POOL = pa.concat_tables([stored_rows(parcels(len(KEYS), seed=seed)).sort_by("BSM") for seed in range(VARIANTS)])
"""Every variant of the row of every key: number of the variant * keys + number of the key."""
ROWS = POOL.to_pylist()
HASHES = [row["_hash"] for row in ROWS]

VERSIONS = st.integers(1, 6)
STILL = dict.fromkeys(KEYS[12:], 0)
"""Rows that no change touches: there are enough of them that small changes make no base."""
FEW = st.dictionaries(st.sampled_from(ACTIVE), st.integers(0, VARIANTS - 1), max_size=12)
CONTENTS = FEW | FEW.map(lambda rows: {**STILL, **rows})
CHANGES = st.dictionaries(st.sampled_from(ACTIVE), st.none() | st.integers(0, VARIANTS - 1), max_size=6)
RIGHT = st.dictionaries(
    st.sampled_from(ACTIVE),
    st.tuples(st.none() | st.integers(0, VARIANTS - 1), st.none() | st.integers(0, 8)),
    min_size=1,
    max_size=3,
)
STEPS: st.SearchStrategy[tuple[Any, ...]] = st.one_of(
    st.tuples(st.just("load"), VERSIONS, CONTENTS),
    st.tuples(st.just("apply"), VERSIONS, CHANGES, st.booleans()),
    st.tuples(st.just("apply"), VERSIONS, CHANGES, st.just(False)),
    st.tuples(st.just("stage"), VERSIONS, CONTENTS),
    st.tuples(st.just("stage_change"), VERSIONS, CHANGES, st.booleans()),
    st.tuples(st.just("activate"), VERSIONS),
    st.tuples(st.just("drop"), VERSIONS),
    st.just(("tidy",)),
    st.tuples(st.just("mend"), RIGHT),
)


def row(key: str, variant: int) -> int:
    """Return the number of a row in the pool."""
    return variant * len(KEYS) + KEYS.index(key)


def rows_of(contents: Mapping[str, int | None]) -> pa.Table:
    """Rows as a store takes them: those there are in curve order, then deletes."""
    there = [row(key, variant) for key, variant in contents.items() if variant is not None]
    rows = POOL.take(pa.array(there, pa.int64())).sort_by([(PLACE, "ascending"), ("BSM", "ascending")])
    return pa.concat_tables([rows, removed([key for key, variant in contents.items() if variant is None])])


class Pair:
    """A store and its model, which take the same steps on a dataset of their own."""

    def __init__(self, store: FeatureStore, dataset: str) -> None:
        self.store = store
        self.dataset = dataset
        self.model = VersionModel()

    async def take(self, name: str, *details: Any) -> None:
        await getattr(self, name)(*details)
        listed = [item for item in await self.store.versions() if item.dataset == self.dataset]
        assert {item.version: item.rows for item in listed} == {
            number: len(version.rows) for number, version in self.model.readable.items()
        }
        for number, version in self.model.readable.items():
            found = await whole(self.store.stored(self.dataset, number, COLLECTION), SCHEMA)
            assert found.equals(rows_of(version.rows))
            scanned = await fetch(self.store, COLLECTION, Scan(("BSM",)), self.dataset, number)
            assert scanned["BSM"].to_pylist() == in_scan_order(found, version.recent())["BSM"].to_pylist()

    async def load(self, version: int, rows: Contents) -> None:
        await self.stage(version, rows)
        await self.activate(version)

    async def apply(self, near: int, changes: Mapping[str, int | None], rebase: bool) -> None:
        """Change one of the readable versions."""
        readable = sorted(self.model.readable)
        if readable:
            version = readable[near % len(readable)] + 1
            await self.stage_change(version, changes, rebase)
            await self.activate(version)

    async def stage(self, version: int, rows: Contents) -> None:
        staged = await self.store.stage(self.dataset, version, COLLECTION, drawn(rows_of(rows), rows=3))
        assert staged == self.model.stage(version, rows)

    async def stage_change(self, version: int, changes: Mapping[str, int | None], rebase: bool) -> None:
        expected = self.model.stage_change(version, changes, rebase)
        given = drawn(rows_of(changes))
        staging = self.store.stage_change(self.dataset, version, COLLECTION, given, rebase=rebase)
        if expected is None:
            with pytest.raises(UnknownVersion):
                await staging
            return
        assert await staging == expected
        before = self.model.readable[version - 1].rows
        effects = [(key, digest(before, key), digest(changes, key)) for key in sorted(changes)]
        found = await whole(self.store.staged_change(self.dataset, version, COLLECTION), effect_schema(COLLECTION))
        assert [tuple(item.values()) for item in found.to_pylist()] == effects

    async def activate(self, version: int) -> None:
        if self.model.activate(version):
            await self.store.activate(self.dataset, version, b"state")
            assert await self.store.state(self.dataset, version) == b"state"
        else:
            with pytest.raises(UnknownVersion):
                await self.store.activate(self.dataset, version, b"state")

    async def drop(self, version: int) -> None:
        self.model.drop(version)
        await self.store.drop(self.dataset, version)

    async def tidy(self) -> None:
        event(f"tidied: {await self.store.tidy(self.dataset)}")

    async def mend(self, right: Mapping[str, tuple[int | None, int | None]]) -> None:
        newest = self.model.mend(right)
        if newest is not None:
            rows = rows_of({key: variant for key, (variant, _) in right.items()})
            since = [right[key][1] for key in rows["BSM"].to_pylist()]
            mended = rows.append_column("_since", pa.array(since, pa.int64()))
            await self.store.mend(self.dataset, newest, COLLECTION, drawn(mended))

    async def check_changes(self) -> None:
        for since, until in itertools.permutations(self.model.readable, 2):
            before, after = self.model.readable[since].rows, self.model.readable[until].rows
            found = await whole(self.store.changes(self.dataset, since, until, COLLECTION), change_schema(COLLECTION))
            differing = [key for key in KEYS if digest(before, key) != digest(after, key)]
            expected = [{"BSM": key, "before": side(before, key), "after": side(after, key)} for key in differing]
            assert found.drop_columns("op").to_pylist() == expected

    async def check_comparison(self, rows: Contents) -> None:
        for number, version in self.model.readable.items():
            given = rows_of(rows).select(["BSM", "_hash"])
            places = {key: place for place, key in enumerate(given["BSM"].to_pylist())}
            given = given.append_column("_row", pa.array(list(places.values()), pa.int64()))
            comparison = self.store.compare(self.dataset, number, COLLECTION, drawn(given))
            found = await whole(comparison, difference_schema(COLLECTION))
            differing = [key for key in KEYS if digest(rows, key) != digest(version.rows, key)]
            expected = [(key, places.get(key), digest(version.rows, key)) for key in differing]
            assert [tuple(item.values())[:3] for item in found.to_pylist()] == expected

    async def clear(self) -> None:
        for version in {*self.model.readable, *self.model.staged}:
            await self.drop(version)
        assert all(item.dataset != self.dataset for item in await self.store.versions())


def digest(rows: Mapping[str, int | None], key: str) -> bytes | None:
    """Return the hash of the row of a key, None without."""
    variant = rows.get(key)
    return None if variant is None else HASHES[row(key, variant)]


def side(rows: Contents, key: str) -> dict[str, Any] | None:
    if key not in rows:
        return None
    return {name: value for name, value in ROWS[row(key, rows[key])].items() if name[0] != "_"}


class Home:
    """An open store with datasets to spare, and the loop that it lives in."""

    def __init__(self, runner: asyncio.Runner, store: FeatureStore) -> None:
        self.runner = runner
        self.store = store
        self._numbers = itertools.count()

    def pair(self) -> Pair:
        return Pair(self.store, f"510000/d{next(self._numbers)}")


@pytest.fixture(scope="module", params=[*STORES, "memory"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder: Path = tmp_path_factory.mktemp("model")
    store = MemoryStore() if request.param == "memory" else make_store(request.param, folder)
    with asyncio.Runner() as runner:
        runner.run(store.open())
        yield Home(runner, store)  # type: ignore[arg-type]
        runner.run(store.close())


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, min_size=3, max_size=14), rows=CONTENTS)
def test_every_version_is_what_the_steps_make_of_it(home: Home, steps: list[tuple[Any, ...]], rows: Contents) -> None:
    async def run() -> None:
        pair = home.pair()
        for step in [("load", 1, dict.fromkeys(KEYS, 0)), *steps]:
            await pair.take(*step)
        await pair.check_changes()
        await pair.check_comparison(rows)
        await pair.clear()

    home.runner.run(run())
