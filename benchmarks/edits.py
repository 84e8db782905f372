"""A year's changes to a file of parcels: random edits, as a changed layer and as an increment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from guotu.model.collection import GEOMETRY

_KEY = "BSM"
_INSERT_SHARE, _DELETE_SHARE = 0.05, 0.05
"""Of all edits; the others are updates, half of an attribute and half of the geometry."""
_NUDGE_DEG = 2e-6


@dataclass(frozen=True)
class Edits:
    """One round of edits to a layer."""

    layer: Path
    """GeoParquet: the whole layer after the edits."""
    changes: Path
    """GeoParquet: inserted and updated rows."""
    deletes: Path
    """CSV: keys of deleted rows."""
    inserts: int
    updates: int
    deleted: int
    raw_bytes: int
    """Of the changed rows as Arrow: inserted and updated rows whole, deleted ones by their key."""

    @property
    def count(self) -> int:
        """Return how many rows changed."""
        return self.inserts + self.updates + self.deleted


def edit(source: Path, folder: Path, share: float, seed: int) -> Edits:
    """Edit a share of the rows of a GeoParquet file at random; writes three files into `folder`."""
    # The file's own metadata tells a reader that this is GeoParquet, and its CRS.
    geo = {b"geo": pq.ParquetFile(source).metadata.metadata[b"geo"]}
    rows, random = pq.read_table(source).replace_schema_metadata(geo), np.random.default_rng(seed)
    count = max(4, round(rows.num_rows * share))
    chosen = random.choice(rows.num_rows, count, replace=False)
    made = make_changes(rows, chosen, seed)
    gone, updated, changed = made.gone, made.updated, made.changed
    kept = np.ones(rows.num_rows, np.bool_)
    kept[np.concatenate([gone, updated])] = False
    folder.mkdir(parents=True, exist_ok=True)
    layer, changes, removed = folder / "layer.parquet", folder / "changes.parquet", folder / "deletes.csv"
    pq.write_table(pa.concat_tables([rows.filter(pa.array(kept)), changed]), layer)
    pq.write_table(changed, changes)
    keys = made.keys
    removed.write_text("\n".join([_KEY, *keys.to_pylist()]) + "\n", encoding="utf-8")
    raw = changed.nbytes + keys.nbytes
    inserts = changed.num_rows - len(updated)
    return Edits(layer, changes, removed, inserts, len(updated), len(gone), raw)


@dataclass(frozen=True)
class Made:
    """Changes to some rows of a table."""

    changed: pa.Table
    """Updated rows, then inserted ones."""
    keys: pa.ChunkedArray
    """Of deleted rows."""
    gone: NDArray[np.int64]
    """Numbers of deleted rows."""
    updated: NDArray[np.int64]
    """Numbers of updated rows."""


def make_changes(rows: pa.Table, chosen: NDArray[np.int64], seed: int) -> Made:
    """Change the rows with these numbers: some go, some are copied under new keys, the others are updated."""
    random = np.random.default_rng(seed)
    inserts, deletes = (max(1, round(len(chosen) * share)) for share in (_INSERT_SHARE, _DELETE_SHARE))
    gone, copied, updated = chosen[:deletes], chosen[deletes : deletes + inserts], chosen[deletes + inserts :]
    half = len(updated) // 2
    parts = [
        _with_attributes(rows.take(updated[:half]), seed),
        _with_geometry(rows.take(updated[half:]), random),
        _with_keys(_with_geometry(rows.take(copied), random), seed),
    ]
    changed = pa.concat_tables(parts).replace_schema_metadata(rows.schema.metadata)
    return Made(changed, rows.column(_KEY).take(gone), gone, updated)


def _with_attributes(rows: pa.Table, seed: int) -> pa.Table:
    """Give each row another note."""
    return _replaced(rows, "BZ", pa.array([f"变更 {seed}-{number}" for number in range(rows.num_rows)]))


def _with_geometry(rows: pa.Table, random: np.random.Generator) -> pa.Table:
    """Move the first vertex that is not the end of the ring a little."""
    shapes = shapely.from_wkb(rows.column(GEOMETRY).to_numpy(zero_copy_only=False))
    coordinates, owner = shapely.get_coordinates(shapes, return_index=True)
    first: NDArray[np.intp] = np.searchsorted(owner, np.arange(len(shapes))) + 1
    coordinates[first] += random.uniform(-_NUDGE_DEG, _NUDGE_DEG, (len(shapes), 2))
    return _replaced(rows, GEOMETRY, pa.array(shapely.to_wkb(shapely.set_coordinates(shapes, coordinates))))


def _with_keys(rows: pa.Table, seed: int) -> pa.Table:
    """Give each row a key that no other has."""
    heads = pc.utf8_slice_codeunits(rows.column(_KEY), 0, 6)
    tails = pa.array([f"9{seed:03d}{number:08d}" for number in range(rows.num_rows)])
    return _replaced(rows, _KEY, pc.binary_join_element_wise(heads, tails, ""))


def _replaced(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    place = rows.schema.get_field_index(name)
    return rows.set_column(place, rows.schema.field(name), values.cast(rows.schema.field(name).type))
