"""Histories of a small layer: states of features by key, as rows, increments and deletes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import shapely

from sync.publish import PublishOutcome
from tests.support.publish_parts import Parts
from tests.support.sync_samples import PARCELS, as_rows, write_spool

Layer = dict[str, tuple[str | None, int]]
"""Name and place of each feature, by key."""


def rows_of(layer: Layer) -> pa.Table:
    """Return a layer's rows."""
    nothing = [None] * len(layer)
    squares = [shapely.box(100 + at % 20, 25 + at // 20, 101 + at % 20, 26 + at // 20) for _, at in layer.values()]
    columns = {
        "BSM": list(layer), "DLMC": [name for name, _ in layer.values()], "TBMJ": [at / 4 for _, at in layer.values()],
        "GDPDJB": nothing, "GXSJ": nothing, "YXSJ": nothing, "KD": nothing, "geometry": list(shapely.to_wkb(squares)),
    }  # fmt: skip
    return as_rows(PARCELS, columns)


def write_keys(path: Path, keys: list[str], **stated: list[object]) -> Path:
    """Write the deletes of an increment, with what is stated of them."""
    table = pa.table({"BSM": pa.array(keys, pa.string())} | {name: pa.array(stated[name]) for name in stated})
    return write_spool(path, table)


def write_stated(path: Path, **columns: pa.Array) -> Path:
    """Write what an increment states of its rows; `op` becomes `_op`."""
    names = [{"op": "_op"}.get(name, name) for name in columns]
    return write_spool(path, pa.table(list(columns.values()), names=names))


async def publish_layer(parts: Parts, folder: Path, layer: Layer, write_id: str, **words: object) -> PublishOutcome:
    """Publish a whole layer."""
    return await parts.publish(write_spool(folder / f"{write_id}.arrow", rows_of(layer)), write_id, **words)


async def publish_increment(
    parts: Parts, folder: Path, before: Layer, after: Layer, write_id: str, **words: object
) -> PublishOutcome:
    """Publish what turns a layer into another."""
    changed = {key: state for key, state in after.items() if before.get(key) != state}
    deletes = write_keys(folder / f"{write_id}.deletes", [key for key in before if key not in after])
    spool = write_spool(folder / f"{write_id}.arrow", rows_of(changed))
    return await parts.publish(spool, write_id, increment=True, deletes=deletes, **words)
