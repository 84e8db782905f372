"""Data files: Parquet files that become the objects of a version, and what is to be known of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from guotu.model.collection import GEOMETRY, Collection, FieldType
from guotu.model.records import Extent
from sync.manifest import BLOCK_BYTES, ObjectRef
from sync.prepared import extent_of

Advance = Callable[[int], None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FileSizes:
    """How rows are divided."""

    group_rows: int = 10_000
    """Most rows of a row group."""
    window_rows: int = 50_000
    """Most rows gathered at a time, and then divided into row groups of one size."""
    window_bytes: int = 32 << 20
    """Most bytes gathered at a time, about, unless one row has more."""
    target_bytes: int = 40 << 20
    """A file is full at that size."""
    least_bytes: int = 20 << 20
    """What would remain for the last file must be more than that, about, or the one before takes it."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A base chunk or a delta on disk."""

    path: Path
    sha256: str
    blocks: tuple[str, ...]
    """SHA-256 of each 4 MiB of its bytes, hex."""
    size_bytes: int
    rows: int
    extent: Extent | None

    @property
    def key(self) -> str:
        """Where object stores keep it."""
        return object_key(self.sha256)

    def reference(self, kind: str) -> ObjectRef:
        """Return how a manifest names it."""
        return ObjectRef(kind, self.key, self.sha256, self.size_bytes, self.rows, self.extent, self.blocks)


def object_key(sha256: str) -> str:
    """Return the key of a data file in an object store."""
    return f"objects/sha256/{sha256[:2]}/{sha256}.parquet"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_file(path: Path, rows: int, extent: Extent | None) -> DataFile:
    """Read a whole file once and describe it."""
    whole, blocks, size = hashlib.sha256(), [], 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            whole.update(block)
            blocks.append(hashlib.sha256(block).hexdigest())
            size += len(block)
    return DataFile(path, whole.hexdigest(), tuple(blocks), size, rows, extent)


class FileWriter:
    """A data file being written: zstd, dictionaries for texts, no statistics of geometries."""

    def __init__(self, path: Path, schema: pa.Schema, collection: Collection, level: int) -> None:
        """Begin a file; `level` is that of zstd."""
        self._path = path
        self._sink = pa.OSFile(str(path), "wb")
        texts = [item.name for item in collection.fields if item.type is FieldType.TEXT]
        self._writer = pq.ParquetWriter(
            self._sink,
            schema,
            compression="zstd",
            compression_level=level,
            use_dictionary=texts,
            # Least and greatest WKB say nothing; the covering column of a chunk has the boxes.
            write_statistics=[name for name in _leaves(schema) if name != GEOMETRY],
        )
        self._boxes: list[Floats] = [np.empty((0, 4))]
        self.rows = 0
        """Rows written so far."""

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return int(self._sink.tell())

    @property
    def extent(self) -> Extent | None:
        """Extent of the boxes so far."""
        return extent_of(np.vstack(self._boxes))

    def write(self, table: pa.Table, boxes: Sequence[Floats] = ()) -> None:
        """Write one row group; its features lie in boxes of shape (n, 4), NaN for none."""
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self._boxes += [np.array([[e.xmin, e.ymin, e.xmax, e.ymax]]) for e in map(extent_of, boxes) if e is not None]
        self.rows += table.num_rows

    def close(self, metadata: dict[str, bytes] | None = None) -> DataFile:
        """Finish the file."""
        if metadata:
            self._writer.add_key_value_metadata(metadata)
        self._writer.close()
        self._sink.close()
        return describe_file(self._path, self.rows, self.extent)


@dataclass(frozen=True, slots=True)
class Division:
    """How rows that come in windows become files."""

    rows: int
    """How many will come."""
    folder: Path
    name: str
    """What files are called, with their number."""
    advance: Advance
    """Told after each row group how many rows it had."""
    sizes: FileSizes = FileSizes()


def write_files(
    windows: Iterable[pa.Table],
    division: Division,
    begin: Callable[[Path], FileWriter],
    write: Callable[[FileWriter, pa.Table], None],
    end: Callable[[FileWriter], DataFile],
) -> Iterator[DataFile]:
    """Write windows of rows to files in their order, yielding each when it is whole; no rows give no file."""
    sizes, remaining, number = division.sizes, division.rows, 0
    writer: FileWriter | None = None
    for group in _groups(windows, sizes):
        if writer is None:
            writer = begin(division.folder / f"{division.name}-{number:06d}.parquet")
            number += 1
        write(writer, group)
        remaining -= group.num_rows
        division.advance(group.num_rows)
        if writer.size >= sizes.target_bytes and remaining * writer.size > sizes.least_bytes * writer.rows:
            yield end(writer)
            writer = None
    if writer is not None:
        yield end(writer)


def _groups(windows: Iterable[pa.Table], sizes: FileSizes) -> Iterator[pa.Table]:
    """Divide each window into row groups of one size."""
    for window in windows:
        count = -(-window.num_rows // sizes.group_rows)
        cuts = np.linspace(0, window.num_rows, count + 1).astype(int).tolist()
        yield from (window.slice(low, high - low) for low, high in pairwise(cuts))


def _leaves(schema: pa.Schema) -> list[str]:
    """Return the Parquet paths of the columns of a schema."""
    return [
        f"{field.name}.{child.name}" if child is not None else field.name
        for field in schema
        for child in (field.type if pa.types.is_struct(field.type) else [None])
    ]
