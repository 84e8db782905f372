"""Export: versions and everything they are made of, into one signed file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from guotu.model.errors import CorruptObject, InvalidInput, TooLarge
from guotu.model.ports import Clock, ObjectStore
from sync.definitions import definition_key, parse_definition
from sync.package.index import INDEX, MAX_INDEX_BYTES, SIGNATURE, Entry, PackageIndex, in_order
from sync.package.keyring import key_entries
from sync.package.selection import Selection, select
from sync.package.summary import Checkpoint, PackageSummary, summary, unheard, unmarked
from sync.package.tally import Progress, Tally
from sync.package.writer import PackageWriter, name_file, new_file
from sync.signed import manifest_key, signature_key
from sync.signing import NodeKey
from sync.trust import check_signature

Documents = dict[str, bytes]
"""Entries that are no objects, by name."""


@dataclass(frozen=True, slots=True)
class PackageExporter:
    """Writes packages in the name of one node, one at a time."""

    objects: ObjectStore
    key: NodeKey
    node: str
    clock: Clock
    checkpoint: Checkpoint = unmarked
    _relied_on: set[str] = field(default_factory=set)

    def relied_on(self) -> frozenset[str]:
        """Return the keys of what the export under way still reads, so that it is not swept away."""
        return frozenset(self._relied_on)

    async def export(
        self, datasets: Sequence[str], since: Mapping[str, int], target: Path, progress: Progress = unheard
    ) -> PackageSummary:
        """Write the versions after those of the cut `since`; a dataset not in it is packed from its nearest base on.

        `progress` is told "export", bytes done and bytes to do.

        Raises:
            InvalidInput: the file exists or cannot be written, or the versions do not fit into one.
            UnknownDataset: one is not held here.
            UnknownVersion: one that is needed is not retained, or not published yet.
            UntrustedKey, VersionRefused: a manifest is not signed by its publisher.
            CorruptObject: something that is needed is missing or damaged.
        """
        with new_file(target) as file:
            selections = [await select(self.objects, name, since.get(name)) for name in sorted(set(datasets))]
            documents = await self._documents(selections)
            index = self._index(selections, documents)
            writer = PackageWriter(file)
            tally = Tally(progress, "export", sum(entry.size_bytes for entry in index.entries))
            self._relied_on.update(entry.name for entry in index.entries)
            try:
                await self._write(writer, index, documents, tally)
            finally:
                self._relied_on.clear()
            size = await tally.run(writer.finish)
            self.checkpoint("package-written")
            await tally.run(name_file, file, target)
            self.checkpoint("package-named")
        return summary(index, size)

    async def _documents(self, selections: Sequence[Selection]) -> Documents:
        """Gather keys, manifests with their signatures, and definitions."""
        documents: Documents = {}
        keys = {self.node: {self.key.public_bytes}}
        for signed in (signed for selection in selections for signed in selection.manifests):
            key = await check_signature(self.objects, signed)
            keys.setdefault(signed.manifest.publisher, set()).add(key)
            documents[manifest_key(signed.name)] = signed.data
            documents[signature_key(signed.name)] = signed.signature
            name = definition_key(signed.manifest.definition)
            if name not in documents:
                documents[name] = await self._definition(signed.manifest.definition)
        return documents | key_entries(keys)

    async def _definition(self, digest: str) -> bytes:
        found = await self.objects.get(definition_key(digest))
        if found is None:
            raise CorruptObject(object=definition_key(digest), detail="缺失 missing")
        parse_definition(digest, found[0])
        return found[0]

    def _index(self, selections: Sequence[Selection], documents: Documents) -> PackageIndex:
        entries = [Entry(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in documents.items()]
        references = (item for selection in selections for item in selection.objects)
        entries += [Entry(item.key, item.sha256, item.size_bytes) for item in references]
        slices = tuple(selection.slice for selection in selections)
        try:
            return PackageIndex(self.node, self.clock.now_ms(), slices, in_order(entries))
        except ValueError as error:
            raise InvalidInput(detail=f"不能装入一个数据包 this does not fit into a package: {error}") from error

    async def _write(self, writer: PackageWriter, index: PackageIndex, documents: Documents, tally: Tally) -> None:
        data = index.to_bytes()
        if len(data) > MAX_INDEX_BYTES:
            raise TooLarge(what="数据包目录 the index of the package", size=len(data), limit=MAX_INDEX_BYTES)
        writer.put(INDEX, data)
        writer.put(SIGNATURE, self.key.sign(data))
        for entry in index.entries:
            if entry.is_object:
                await tally.run(writer.put_file, entry, await self._path(entry.name), tally.add)
            else:
                await tally.run(writer.put, entry.name, documents[entry.name])
                tally.add(entry.size_bytes)

    async def _path(self, name: str) -> Path:
        path = await self.objects.local_path(name)
        if path is None:
            raise CorruptObject(object=name, detail="缺失 missing")
        return path
