"""A published dataset of three versions in a store, and ways to damage and verify it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.ports import FeatureStore
from guotu.model.schema import stored_schema
from sync.manifest import ObjectRef
from sync.verify import Verification, Verifier
from tests.support.memory_store import MemoryStore
from tests.support.publish_parts import Parts
from tests.support.stores import make_store
from tests.support.sync_samples import DATASET, PARCELS, parcels, write_spool

ROWS = parcels(900)
KEYS = sorted(ROWS["BSM"].to_pylist())


async def three_versions(kind: str, tmp_path: Path) -> Parts:
    """Publish all rows, ten rows fewer, and five of them changed; the store is "memory" or "duckdb"."""
    folder = tmp_path / "node"
    folder.mkdir()
    store: FeatureStore = MemoryStore(folder) if kind == "memory" else make_store(kind, tmp_path / kind)
    made = Parts(folder, store=store)
    await made.start()
    fewer = ROWS.filter(pc.invert(pc.is_in(ROWS["BSM"], pa.array(KEYS[:10]))))
    names = pc.if_else(pc.is_in(fewer["BSM"], pa.array(KEYS[10:15])), "改", fewer["DLMC"])
    changed = fewer.set_column(fewer.schema.get_field_index("DLMC"), "DLMC", names)
    for number, rows in enumerate((ROWS, fewer, changed), 1):
        await made.publish(write_spool(folder / f"{number}.arrow", rows), f"attempt-{number}")
    return made


async def tamper(parts: Parts, change: Callable[[pa.Table], pa.Table], version: int = 3) -> None:
    """Put rows into the store that are not what they say: `change` is given all rows, and `_since`."""
    stored = [batch async for batch in parts.store.stored(DATASET, version, PARCELS)]
    rows = pa.Table.from_batches(stored, stored_schema(PARCELS))
    rows = rows.append_column("_since", pa.array(np.full(len(rows), version)))
    wrong = change(rows)
    await parts.store.mend(DATASET, version, PARCELS, lambda: iter(wrong.to_batches()))


def some(rows: pa.Table, keys: list[str]) -> pa.Table:
    """Return the rows of some keys."""
    return rows.filter(pc.is_in(rows["BSM"], pa.array(keys)))


def put(rows: pa.Table, name: str, values: object) -> pa.Table:
    """Give a column one value."""
    column = pa.array([values] * len(rows), rows.schema.field(name).type)
    return rows.set_column(rows.schema.get_field_index(name), name, column)


async def verified(parts: Parts, repair: bool = False, **more: object) -> Verification:
    """Verify the dataset; `more` are parts of the verifier."""
    return await Verifier(parts.objects, parts.store, **more).verify(DATASET, repair)  # type: ignore[arg-type]


async def objects_of(parts: Parts) -> list[ObjectRef]:
    """Return the base of the first version and the deltas of the two that follow."""
    manifests = [(await parts.versions.read_manifest(DATASET, version)).manifest for version in (1, 2, 3)]
    return [manifests[0].bases[0], manifests[1].deltas[0], manifests[2].deltas[0]]


def flip(path: Path) -> None:
    """Turn one bit of a file round."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
