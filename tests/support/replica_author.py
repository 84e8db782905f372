"""An author who publishes versions of parcels step by step, as the contracts have it, and may break them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.collection import Collection
from guotu.model.records import Change, DatasetRecord
from sync.datafile import DataFile, Division, FileSizes
from sync.definition import definition_hash
from sync.definitions import put_definition
from sync.delta import delta_schema, write_deltas
from sync.layout import write_chunks
from sync.manifest import BASE, DELTA, Manifest, ObjectRef
from sync.objects.local import LocalObjectStore
from sync.prepared import extent_of, prepare
from sync.rowhash import row_hashes
from sync.setdigest import SetDigest
from sync.signed import SignedManifest, put_manifest, sign_manifest
from sync.signing import NodeKey
from sync.versions import dataset_record
from tests.support.sync_samples import DATASET, PARCELS

CHUNK_ROWS = 250


class Author:
    """Publishes versions of parcels into an object store, step by step as the contracts have it."""

    def __init__(self, folder: Path, key: NodeKey | None = None, dataset: str = DATASET) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.dataset = folder, dataset
        self.key = key or NodeKey.create(folder / "node.pem")
        self.objects = LocalObjectStore(folder / "objects")
        self.chain: list[SignedManifest] = []
        self.rows: pa.Table | None = None
        self._collection = PARCELS
        self._series = 1

    @property
    def head(self) -> Manifest:
        return self.chain[-1].manifest

    def record(self) -> DatasetRecord:
        return dataset_record(self.head)

    async def publish(
        self, rows: pa.Table, *, base: bool = False, collection: Collection | None = None, series: int = 0,
        write_id: str = "",
    ) -> SignedManifest:  # fmt: skip
        same = collection is None and series in (0, self._series)
        self._collection, self._series = collection or self._collection, series or self._series
        references = await self._deltas(rows) if self.rows is not None and same else []
        whole = base or not references
        if whole:
            references += await self._bases(rows)
        manifest = self._manifest(rows, references, whole, write_id)
        signed = sign_manifest(manifest, self.key)
        await put_definition(self.objects, self._collection)
        await put_manifest(self.objects, signed)
        self.chain.append(signed)
        self.rows = rows
        return signed

    def _manifest(self, rows: pa.Table, references: Sequence[ObjectRef], whole: bool, write_id: str) -> Manifest:
        digest, number = SetDigest(), len(self.chain) + 1
        batch = _batch(rows)
        digest.add(batch.column("BSM"), row_hashes(batch, self._collection))
        return Manifest(
            dataset=self.dataset, version=number, series=self._series, base=whole,
            parent=self.chain[-1].name if self.chain else "", collection=self._collection.id,
            definition=definition_hash(self._collection), crs="EPSG:4490", rows=len(rows),
            extent=extent_of(prepare(batch, self._collection).boxes), coverage="", territory_m2=0.0,
            objects=tuple(references), change=Change() if number > 1 else None, digest=digest.hex,
            publisher=self.dataset.partition("/")[0], published_ms=1_770_000_000_000 + number, message="变更",
            source="test", source_date="", write_id=write_id or f"write-{number}",
        )  # fmt: skip

    async def _bases(self, rows: pa.Table) -> list[ObjectRef]:
        sorted_rows = rows.take(np.argsort(prepare(_batch(rows), self._collection).places, kind="stable"))
        windows = [sorted_rows.slice(start, CHUNK_ROWS) for start in range(0, len(rows), CHUNK_ROWS)]
        division = self._division("base", len(rows))
        return [await self._put(file, BASE) for file in write_chunks(iter(windows), self._collection, division)]

    async def _deltas(self, rows: pa.Table) -> list[ObjectRef]:
        assert self.rows is not None
        window = delta_of(self.rows, rows, self._collection)
        division = Division(len(window), self._folder(), "delta", lambda count: None)
        return [await self._put(file, DELTA) for file in write_deltas(iter([window]), self._collection, division)]

    def _division(self, name: str, rows: int) -> Division:
        sizes = FileSizes(target_bytes=1, least_bytes=0)
        return Division(rows, self._folder(), name, lambda count: None, sizes)

    def _folder(self) -> Path:
        folder = self.folder / f"made-{len(self.chain) + 1}"
        folder.mkdir(exist_ok=True)
        return folder

    async def _put(self, file: DataFile, kind: str) -> ObjectRef:
        reference = file.reference(kind)
        await self.objects.put_file(reference.key, file.path)
        return reference


def delta_of(before: pa.Table, after: pa.Table, collection: Collection) -> pa.Table:
    """Return what turns a table into another, schema `delta_schema`."""
    old = dict(zip(before["BSM"].to_pylist(), before.to_pylist(), strict=True))
    new = dict(zip(after["BSM"].to_pylist(), after.to_pylist(), strict=True))
    batch = _batch(before)
    hashes = dict(zip(batch["BSM"].to_pylist(), row_hashes(batch, collection).to_pylist(), strict=True))
    boxes = dict(zip(batch["BSM"].to_pylist(), prepare(batch, collection).boxes.tolist(), strict=True))
    rows = []
    for key in sorted(k for k in old.keys() | new.keys() if old.get(k) != new.get(k)):
        row = new.get(key) or {"BSM": key}
        op = 3 if key not in new else 2 if key in old else 1
        moved = key in old and (op == 3 or old[key]["geometry"] != row["geometry"])
        corners = dict(zip(("_oxmin", "_oymin", "_oxmax", "_oymax"), boxes[key], strict=True)) if moved else {}
        rows.append({**row, **corners, "_op": op, "_old": hashes[key][:8] if key in old else None})
    return pa.Table.from_pylist(rows, delta_schema(collection))


def edited(rows: pa.Table, keys: Iterable[str], **values: object) -> pa.Table:
    """Return the table with values set in the rows of some keys."""
    chosen = pc.is_in(rows["BSM"], pa.array(list(keys)))
    for name, value in values.items():
        column = pc.if_else(chosen, pa.scalar(value, rows.schema.field(name).type), rows[name])
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
    return rows


def without(rows: pa.Table, keys: Iterable[str]) -> pa.Table:
    """Return the table without the rows of some keys."""
    return rows.filter(pc.invert(pc.is_in(rows["BSM"], pa.array(list(keys)))))


def _batch(rows: pa.Table) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([column.combine_chunks() for column in rows.columns], schema=rows.schema)


def same_rows(found: pa.Table, expected: pa.Table) -> bool:
    """Tell whether two tables have the same rows, whatever their order."""
    expected = expected.sort_by("BSM")
    return found.num_rows == expected.num_rows and all(
        found[name].to_pylist() == expected[name].to_pylist() for name in expected.column_names
    )


def random_bytes(count: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(count)
