"""Packages between two real nodes' parts: the real publisher, object store and DuckDB store on both sides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from guotu.model.ports import FeatureStore
from sync.objects.local import LocalObjectStore
from sync.package.export import PackageExporter
from sync.package.intake import PackageImporter
from sync.proof import digest_of_state
from sync.publish import Attempt, Publisher
from sync.signing import NodeKey
from sync.trust import fingerprint
from tests.support.stores import make_store
from tests.support.sync_samples import DATASET, PARCELS, HeldClock, no_progress, parcels, write_spool


@dataclass
class Network:
    """A node's parts in a network of its own."""

    folder: Path
    store: FeatureStore
    key: NodeKey
    objects: LocalObjectStore

    def publisher(self) -> Publisher:
        return Publisher(self.objects, self.store, self.key, "510000", HeldClock(), self.folder / "publish")

    async def publish(self, rows: pa.Table, write_id: str) -> str:
        """Publish a whole layer; returns its digest."""
        spool = write_spool(self.folder / f"{write_id}.arrow", rows)
        attempt = Attempt(DATASET, PARCELS, spool, "变更", "test", write_id)
        outcome = await self.publisher().publish(attempt, no_progress)
        assert outcome.published
        assert outcome.manifest is not None
        return outcome.manifest.digest

    async def rows(self, version: int) -> pa.Table:
        return pa.Table.from_batches([batch async for batch in self.store.stored(DATASET, version, PARCELS)])


async def network(folder: Path) -> Network:
    (folder / "store").mkdir(parents=True)
    store = make_store("duckdb", folder / "store")
    await store.open()
    return Network(folder, store, NodeKey.create(folder / "node.pem"), LocalObjectStore(folder / "objects"))


@pytest.fixture
async def networks(tmp_path: Path) -> AsyncIterator[tuple[Network, Network]]:
    both = await network(tmp_path / "sichuan"), await network(tmp_path / "nation")
    yield both
    for item in both:
        await item.store.close()


def edit(rows: pa.Table, number: int) -> pa.Table:
    """Rename one in seven, take away one in eleven, add some."""
    names = pa.array([f"改{number}" if at % 7 == number else None for at in range(len(rows))], pa.string())
    changed = rows.set_column(1, rows.schema.field("DLMC"), pc.coalesce(names, rows["DLMC"].combine_chunks()))
    kept = changed.filter(pa.array([at % 11 != number for at in range(len(rows))]))
    added = parcels(20, seed=100 + number)
    keys = pa.array([f"51019{number}{at:012d}" for at in range(len(added))])
    return pa.concat_tables([kept, added.set_column(0, rows.schema.field("BSM"), keys)])


async def test_versions_are_the_same_on_the_other_side(networks: tuple[Network, Network], tmp_path: Path) -> None:
    sichuan, nation = networks
    layers = [parcels(2_000)]
    layers += [edit(layers[-1], 1)]
    layers += [edit(layers[-1], 2)]
    digests = [await sichuan.publish(rows, f"attempt-{number}") for number, rows in enumerate(layers)]
    exporter = PackageExporter(sichuan.objects, sichuan.key, "510000", HeldClock())
    importer = PackageImporter(nation.objects, nation.store, "100000", nation.folder / "scratch")
    confirmed = {"510000": fingerprint(sichuan.key.public_bytes)}
    told = await exporter.export([DATASET], {DATASET: 0}, tmp_path / "first.guotu")
    assert (await importer.take(tmp_path / "first.guotu", confirmed)).taken == told.versions == 3
    for version, digest in enumerate(digests, 1):
        here, there = await nation.rows(version), await sichuan.rows(version)
        assert here.num_rows == layers[version - 1].num_rows
        assert here.equals(there)
        assert digest_of_state(await nation.store.state(DATASET, version)).hex == digest
    await sichuan.publish(edit(layers[-1], 3), "attempt-9")
    await exporter.export([DATASET], {DATASET: 3}, tmp_path / "second.guotu")
    assert (tmp_path / "second.guotu").stat().st_size < (tmp_path / "first.guotu").stat().st_size / 2
    assert (await importer.take(tmp_path / "second.guotu", {})).taken == 1
    assert (await nation.rows(4)).equals(await sichuan.rows(4))
