"""Small histories for tests of packages, two sites that exchange them, and a process that is killed while it imports.

`python -m tests.support.package_parts FOLDER STEP COUNT FILE` imports a file and kills itself at the COUNTth STEP.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from guotu.model.collection import Collection, Family, Field, FieldType, GeometryType
from guotu.model.ports import ObjectStore
from guotu.model.records import Change, DatasetRecord
from guotu.model.schema import arrow_schema
from sync.datafile import DataFile, Division
from sync.definition import definition_hash
from sync.definitions import get_definition, put_definition
from sync.delta import delta_schema, write_deltas
from sync.layout import write_chunks
from sync.load import make_readable
from sync.manifest import BASE, DELTA, Manifest, ObjectRef
from sync.objects.local import LocalObjectStore
from sync.package.export import PackageExporter
from sync.package.intake import PackageImporter
from sync.pointer import Pointer, head_key, read_head, version_key
from sync.rowhash import row_hashes
from sync.setdigest import SetDigest
from sync.signed import SignedManifest, get_manifest, put_manifest, sign_manifest
from sync.signing import NodeKey
from sync.trust import trust
from tests.support.memory_store import MemoryStore
from tests.support.sync_samples import HeldClock

Content = dict[int, str]
"""Rows by key."""
UNITS = Collection(
    id="qsdm",
    family=Family.STATUS,
    title="权属单位代码",
    title_en="owner codes",
    geometry=GeometryType.NONE,
    key="DM",
    fields=(
        Field("DM", "代码", FieldType.INTEGER, nullable=False),
        Field("MC", "名称", FieldType.TEXT),
    ),
)
NOTED = replace(UNITS, fields=(*UNITS.fields, Field("BZ", "备注", FieldType.TEXT)))
"""The same collection, later: with another field."""


def nothing(step: str) -> None:
    """Pass a checkpoint."""


class Site:
    """One network's node: its stores, and what packages are made with. Making it again over a folder is a restart."""

    def __init__(
        self,
        folder: Path,
        node: str,
        *,
        checkpoint: Callable[[str], None] = nothing,
        wrap: Callable[[ObjectStore], ObjectStore] = lambda store: store,
    ) -> None:
        self.node, self.folder, path = node, folder, folder / "node.pem"
        (folder / "store").mkdir(parents=True, exist_ok=True)
        self.key = NodeKey.load(path) if path.exists() else NodeKey.create(path)
        self.objects = wrap(LocalObjectStore(folder / "objects"))
        self.store = MemoryStore(folder / "store")
        self.held: list[DatasetRecord] = []
        self.exporter = PackageExporter(self.objects, self.key, node, HeldClock(), checkpoint)
        scratch = folder / "scratch"
        self.importer = PackageImporter(self.objects, self.store, node, scratch, self._note, checkpoint=checkpoint)

    async def start(self) -> Site:
        """Do what a node does at its start."""
        await self.store.open()
        await trust(self.objects, self.node, self.key.public_bytes)
        return self

    async def _note(self, record: DatasetRecord) -> None:
        self.held.append(record)

    async def head(self, dataset: str) -> int:
        """Return the head's number; 0 if there is none."""
        head = await read_head(self.objects, dataset)
        return head.pointer.version if head else 0

    async def rows(self, dataset: str) -> dict[int, tuple[object, ...]]:
        """Return the rows of the head by key, as the store answers."""
        head = await read_head(self.objects, dataset)
        assert head is not None
        signed = await get_manifest(self.objects, head.pointer.manifest)
        collection = await get_definition(self.objects, signed.manifest.definition)
        version = signed.manifest.version
        batches = [batch async for batch in self.store.stored(dataset, version, collection)]
        rows = [row for batch in batches for row in batch.select([item.name for item in collection.fields]).to_pylist()]
        return {row[collection.key]: tuple(row.values()) for row in rows}

    async def everything(self) -> dict[str, bytes]:
        """Return all that is stored: objects by key, and what the store can answer from."""
        found = {key: (await self.objects.get(key) or (b"", ""))[0] for key in await self.objects.keys("")}
        readable = {
            f"store:{item.dataset}@{item.version}": str(item.rows).encode() for item in await self.store.versions()
        }
        return found | readable


class Author:
    """Publishes versions of a table at a site, step by step as sync.publish does, from nothing but the contracts."""

    def __init__(self, site: Site, collection: Collection = UNITS) -> None:
        self.site, self.collection = site, collection
        self.dataset = f"{site.node}/{collection.id}"
        self.chain: list[SignedManifest] = []
        self.contents: list[Content] = []
        self._series = 1

    async def publish(
        self, content: Content, *, base: bool = False, collection: Collection | None = None, series: int = 0
    ) -> SignedManifest:
        """Publish a state of the table as the next version; with a base, with another definition, in a new series."""
        same = collection in (None, self.collection) and series in (0, self._series)
        self.collection, self._series = collection or self.collection, series or self._series
        before = self.contents[-1] if self.contents else {}
        references = await self._deltas(before, content) if self.chain and same else []
        whole = base or not references
        references += await self._bases(content) if whole else []
        signed = sign_manifest(self._manifest(content, references, whole), self.site.key)
        await self._commit(signed)
        self.chain.append(signed)
        self.contents.append(content)
        return signed

    async def _commit(self, signed: SignedManifest) -> None:
        site, manifest = self.site, signed.manifest
        await put_definition(site.objects, self.collection)
        await put_manifest(site.objects, signed)
        pointer = Pointer(self.dataset, manifest.version, signed.name, manifest.write_id)
        assert await site.objects.put_if_absent(version_key(self.dataset, manifest.version), pointer.to_bytes())
        await make_readable(site.objects, site.store, manifest)
        head = await read_head(site.objects, self.dataset)
        assert await site.objects.put_if_match(head_key(self.dataset), pointer.to_bytes(), head and head.etag)

    def _manifest(self, content: Content, references: list[ObjectRef], whole: bool) -> Manifest:
        digest = SetDigest()
        table = self._table(content)
        digest.add(table["DM"].combine_chunks(), self._hashes(table))
        number = len(self.chain) + 1
        return Manifest(
            dataset=self.dataset, version=number, series=self._series, base=whole,
            parent=self.chain[-1].name if self.chain else "", collection=self.collection.id,
            definition=definition_hash(self.collection), crs="EPSG:4490", rows=len(content), extent=None, coverage="",
            territory_m2=0.0, objects=tuple(references), change=Change() if number > 1 else None, digest=digest.hex,
            publisher=self.site.node, published_ms=1_770_000_000_000 + number, message="变更", source="test",
            source_date="", write_id=f"write-{number}",
        )  # fmt: skip

    def _table(self, content: Content) -> pa.Table:
        schema = arrow_schema(self.collection)
        columns: dict[str, list[object]] = {"DM": sorted(content), "MC": [content[key] for key in sorted(content)]}
        columns["BZ"] = [None] * len(content)
        return pa.table([pa.array(columns[name], schema.field(name).type) for name in schema.names], schema)

    def _hashes(self, table: pa.Table) -> pa.FixedSizeBinaryArray:
        (batch,) = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
        return row_hashes(batch, self.collection)

    async def _bases(self, content: Content) -> list[ObjectRef]:
        files = list(write_chunks(iter([self._table(content)]), self.collection, self._division(len(content))))
        return [await self._put(file, BASE) for file in files]

    async def _deltas(self, before: Content, after: Content) -> list[ObjectRef]:
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        old = {key: before[key] for key in changed if key in before}
        table = self._table(old)
        hashes = dict(zip(table["DM"].to_pylist(), self._hashes(table).to_pylist(), strict=True))
        rows = [
            {
                "_op": 3 if key not in after else 2 if key in before else 1,
                "DM": key, "MC": after.get(key), "_old": hashes[key][:8] if key in hashes else None,
            }
            for key in sorted(changed)
        ]  # fmt: skip
        window = pa.Table.from_pylist(rows, delta_schema(self.collection))
        files = list(write_deltas(iter([window]), self.collection, self._division(len(rows))))
        return [await self._put(file, DELTA) for file in files]

    def _division(self, rows: int) -> Division:
        folder = self.site.folder / "made"
        folder.mkdir(exist_ok=True)
        return Division(rows, folder, "data", lambda count: None)

    async def _put(self, file: DataFile, kind: str) -> ObjectRef:
        reference = file.reference(kind)
        await self.site.objects.put_file(reference.key, file.path)
        return reference


def edited(content: Content, changes: Mapping[int, str | None]) -> Content:
    """Return a state with some rows set and others (None) removed."""
    merged = {**content, **changes}
    return {key: value for key, value in merged.items() if value is not None}


async def _import_and_die(folder: Path, step: str, count: int, file: Path) -> None:
    seen = 0

    def die(done: str) -> None:
        nonlocal seen
        seen += done == step
        if seen == count:
            os.kill(os.getpid(), signal.SIGKILL)

    site = await Site(folder, "100000", checkpoint=die).start()
    await site.importer.take(file, {})


if __name__ == "__main__":
    asyncio.run(_import_and_die(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
