"""Survey: one pass over a spool that hashes each row and finds where it lies.

What is noted of each row lies in scratch files that are read in place, so that memory stays flat as rows grow.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from guotu.model.coverage import CoverageBuilder
from guotu.model.records import Extent
from guotu.model.schema import HASH
from sync.ahead import ahead
from sync.datafile import Advance
from sync.prepared import Floats, Prepared, extent_of, prepare
from sync.rowhash import HASH_BYTES, fixed_binary
from sync.setdigest import SetDigest
from sync.spool import Spool, row_bytes

ROW = "_row"


@dataclass(frozen=True, slots=True)
class Survey:
    """What the rows of a spool are; its arrays are files, read in place."""

    rows: int
    extent: Extent | None
    coverage: CoverageBuilder
    """Of all features."""
    digest: SetDigest | None
    """Sums of all rows; None if they were not asked for."""
    hashes: NDArray[np.uint8]
    """Hash of each row, shape (rows, 32)."""
    places: NDArray[np.uint32]
    """Place of each row on the Hilbert curve, shape (rows,); zeros without geometry."""
    sizes: NDArray[np.uint32]
    """Bytes of each row, about, shape (rows,)."""

    def hashes_of(self, rows: NDArray[np.int64]) -> pa.FixedSizeBinaryArray:
        """Return the hashes of rows by number, fixed_size_binary(32)."""
        return fixed_binary(self.hashes[rows].tobytes(), HASH_BYTES)

    def hashed_keys(self, spool: Spool) -> Iterator[pa.RecordBatch]:
        """Yield key, `_hash` and `_row` of all rows, for `FeatureStore.compare`."""
        start, key = 0, spool.collection.key
        for block in spool.blocks():
            numbers = np.arange(start, start + block.num_rows)
            columns = [block.column(key), self.hashes_of(numbers), pa.array(numbers)]
            yield pa.RecordBatch.from_arrays(columns, names=[key, HASH, ROW])
            start += block.num_rows


def survey(spool: Spool, folder: Path, advance: Advance, *, summed: bool) -> Survey:
    """Read all rows once, geometries in a thread of their own; `advance` is told after each block how many there were.

    Scratch files go to `folder`. `summed` asks for the digest.
    """
    walk = _Walk(spool.rows, folder, SetDigest() if summed else None)
    for item in ahead(prepare(block, spool.collection) for block in spool.blocks()):
        walk.take(item)
        advance(item.batch.num_rows)
    return walk.result()


def order_of(spool: Spool, places: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return row numbers in the order of the curve, ties and rows without geometry by key. Shape (rows,)."""
    table = pa.table({"place": pa.array(places), "key": spool.keys()})
    indices = pc.sort_indices(table, sort_keys=[("place", "ascending"), ("key", "ascending")])
    return np.asarray(indices).view(np.int64)


def scratch_array(path: Path, shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[np.generic]:
    """Return an array of zeros that lies in a new file, not on the heap.

    Raises:
        OSError: there is no room for it. Writing to a mapped file beyond the disk's room would end the process.
    """
    if not shape[0]:
        return np.zeros(shape, kind)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, math.prod(shape) * np.dtype(kind).itemsize)
    return np.memmap(path, kind, "r+", shape=shape)


@dataclass(slots=True)
class _Walk:
    """What was learnt on the way."""

    rows: int
    folder: Path
    digest: SetDigest | None
    coverage: CoverageBuilder = field(default_factory=CoverageBuilder)
    extent: Floats = field(default_factory=lambda: np.empty((0, 4)))
    done: int = 0
    hashes: NDArray[np.generic] = field(init=False)
    places: NDArray[np.generic] = field(init=False)
    sizes: NDArray[np.generic] = field(init=False)

    def __post_init__(self) -> None:
        self.hashes = scratch_array(self.folder / "hashes", (self.rows, HASH_BYTES), np.uint8)
        self.places = scratch_array(self.folder / "places", (self.rows,), np.uint32)
        self.sizes = scratch_array(self.folder / "sizes", (self.rows,), np.uint32)

    def take(self, item: Prepared) -> None:
        """Take note of a block."""
        start, end = self.done, self.done + item.batch.num_rows
        hashes = item.hashes()
        if self.digest is not None:
            self.digest.add(item.batch.column(item.collection.key), hashes)
        self.hashes[start:end] = np.frombuffer(hashes.buffers()[1], np.uint8).reshape(-1, HASH_BYTES)
        self.places[start:end] = item.places
        self.sizes[start:end] = row_bytes(item.batch)
        self.coverage.add(*item.boxes.T)
        extent = extent_of(np.vstack([self.extent, item.boxes]))
        if extent is not None:
            self.extent = np.array([[extent.xmin, extent.ymin, extent.xmax, extent.ymax]])
        self.done = end

    def result(self) -> Survey:
        """Return the findings."""
        arrays = (self.hashes, self.places, self.sizes)
        return Survey(self.rows, extent_of(self.extent), self.coverage, self.digest, *arrays)  # type: ignore[arg-type]
