"""Plan of an import: a package is checked against itself and against what this node has; nothing is written yet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from guotu.model.division import split_dataset
from guotu.model.errors import CorruptObject, PackageGap, VersionRefused
from guotu.model.ports import ObjectStore
from sync.chain import check_link
from sync.datafile import object_key
from sync.definitions import definition_key, parse_definition
from sync.manifest import Manifest, parse_manifest
from sync.package.index import Entry, Slice
from sync.package.keyring import KeyRing
from sync.package.reader import PackageReader
from sync.pointer import Head, Pointer, read_head, read_version
from sync.replica.record import read_record
from sync.signed import SignedManifest, manifest_key, signature_key


@dataclass(frozen=True, slots=True)
class PlannedVersion:
    """A version that is new to this node, and its part of the package."""

    signed: SignedManifest
    definition: Entry
    objects: tuple[Entry, ...]
    """Those that the package has."""

    @property
    def pointer(self) -> Pointer:
        """The entry that takes its number."""
        manifest = self.signed.manifest
        return Pointer(manifest.dataset, manifest.version, self.signed.name, manifest.write_id)


class Planner:
    """Finds out what a package has that is new here."""

    def __init__(self, objects: ObjectStore, reader: PackageReader, ring: KeyRing, node: str) -> None:
        self._objects = objects
        self._reader = reader
        self._ring = ring
        self._node = node
        self._entries: Mapping[str, Entry] = {entry.name: entry for entry in reader.index.entries}

    async def plan(self) -> list[PlannedVersion]:
        """Return the new versions, those of a dataset oldest first.

        Raises:
            PackageGap: versions between this node's head and the package are missing.
            UntrustedKey: a manifest was signed with a key that is not trusted.
            VersionRefused: a manifest is not by the dataset's owner, does not follow the one before it, is another one
                than this node has under its number, or is of this node's own dataset and not here; or this node holds
                only an area of the dataset.
            CorruptObject: the package lacks something, or something in it is not what it is called.
        """
        planned: list[PlannedVersion] = []
        for part in self._reader.index.datasets:
            chain = await self._chain(part)
            planned += await self._new(part, chain)
        return planned

    async def _chain(self, part: Slice) -> list[SignedManifest]:
        """Return the manifests of a dataset, each checked by itself and against the one before."""
        chain = [await asyncio.to_thread(self._manifest, name) for name in part.manifests]
        first = part.until - len(chain) + 1
        for number, signed in enumerate(chain, first):
            manifest = signed.manifest
            if (manifest.dataset, manifest.version) != (part.dataset, number):
                raise _refused(manifest, f"数据包称之为 the package calls it {part.dataset}@{number}")
            await self._check_publisher(signed)
        for before, after in pairwise(chain):
            check_link(before, after.manifest)
        if chain and not part.since and not chain[0].manifest.base:
            raise _refused(
                chain[0].manifest, "数据包以此开始，但它不是整份数据 the package begins with it, and it is no base"
            )
        return chain

    def _manifest(self, name: str) -> SignedManifest:
        data, signature = (self._reader.read(self._entry(key)) for key in (manifest_key(name), signature_key(name)))
        return SignedManifest(parse_manifest(data), data, signature)

    async def _check_publisher(self, signed: SignedManifest) -> None:
        manifest, owner = signed.manifest, split_dataset(signed.manifest.dataset)[0]
        if manifest.publisher != owner:
            raise _refused(manifest, f"由非所有者发布 published by {manifest.publisher}, which is not the owner")
        if not await self._ring.signs(owner, signed.data, signed.signature):
            raise _refused(manifest, f"签名不符 the signature is not by a key of {owner}")

    async def _new(self, part: Slice, chain: list[SignedManifest]) -> list[PlannedVersion]:
        """Return what this node does not have of a dataset, once everything that it has is the same."""
        head = await read_head(self._objects, part.dataset)
        has = head.pointer.version if head else 0
        if has < part.since:
            raise PackageGap(dataset=part.dataset, has=has, needs=part.since)
        for signed in chain:
            await self._check_same(signed, head)
        new = [signed for signed in chain if signed.manifest.version > has]
        if new and split_dataset(part.dataset)[0] == self._node:
            raise _refused(
                new[0].manifest, "本节点自有数据集没有这个版本 it is of this node's own dataset, and not here"
            )
        record = await read_record(self._objects, part.dataset)
        if new and record is not None and record.area:
            raise _refused(
                new[0].manifest, "这里只存其部分范围，请先取消订阅 only an area of it is held here; unsubscribe first"
            )
        return [await self._planned(signed, alone=signed is chain[0] and not part.since) for signed in new]

    async def _check_same(self, signed: SignedManifest, head: Head | None) -> None:
        """Check that a version is the one that this node has under its number, and follows the head if it is next."""
        manifest = signed.manifest
        entry = await read_version(self._objects, manifest.dataset, manifest.version)
        newest = head.pointer if head else None
        if newest is not None and newest.version == manifest.version:
            entry = newest
        if entry is not None and entry.manifest != signed.name:
            raise _refused(
                manifest, f"本节点此版本号是另一份 another version of that number is here, manifest {entry.manifest}"
            )
        if newest is not None and newest.version + 1 == manifest.version and newest.manifest != manifest.parent:
            raise _refused(
                manifest, f"与本节点的版本不相接 it follows manifest {manifest.parent}, not {newest.manifest}"
            )

    async def _planned(self, signed: SignedManifest, alone: bool) -> PlannedVersion:
        manifest = signed.manifest
        definition = self._entry(definition_key(manifest.definition))
        if parse_definition(manifest.definition, self._reader.read(definition)).id != manifest.collection:
            raise _refused(manifest, f"结构不属于该图层 its definition is not one of {manifest.collection}")
        needed = manifest.bases if alone or not manifest.deltas else manifest.deltas
        there = []
        for item in needed:
            if item.key != object_key(item.sha256):
                raise _refused(manifest, f"对象的键有误 an object has the key {item.key!r}")
            entry = self._entries.get(item.key)
            if entry is not None and (entry.sha256, entry.size_bytes) != (item.sha256, item.size_bytes):
                raise _refused(manifest, f"对象大小或摘要不符 {item.key} is not the {item.kind} object that it names")
            if entry is None and item.key not in await self._objects.keys(item.key):
                raise CorruptObject(object=item.key, detail=f"缺失 missing for {manifest.dataset}@{manifest.version}")
            there += [entry] if entry else []
        return PlannedVersion(signed, definition, tuple(there))

    def _entry(self, name: str) -> Entry:
        if name not in self._entries:
            raise CorruptObject(object=name, detail="数据包中没有 the package lacks it")
        return self._entries[name]


def _refused(manifest: Manifest, detail: str) -> VersionRefused:
    return VersionRefused(dataset=manifest.dataset, version=manifest.version, detail=detail)
