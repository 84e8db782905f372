"""Errands: the work behind a replica's instructions, each step durable and harmless to do again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from guotu.model.errors import CorruptObject, StoreFailure, Unavailable, VersionRefused
from guotu.model.records import ReplicaRecord
from sync.definitions import definition_key, get_definition
from sync.load import make_readable, verified
from sync.manifest import ObjectRef
from sync.pointer import Pointer, head_key, list_entries, read_head, read_version, version_key
from sync.replica.area import Area, fingerprint_of
from sync.replica.asking import Asker
from sync.replica.plan import Goal, ReplicaPlan, ReplicaPlanner, Step
from sync.replica.record import KeptReplica, delete_record, put_record, read_record
from sync.replica.site import Site
from sync.replica.sources import Source
from sync.replica.transfer import Told, ToldBad
from sync.signed import get_manifest, put_manifest
from sync.tidying import tidied
from sync.versions import dataset_record

_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """How a replica stands."""

    head: Pointer | None
    sound: bool
    """True if rows of the head, of the area wanted, can be read."""


class Errands:
    """Those of one replica."""

    def __init__(self, site: Site, dataset: str, bad: ToldBad) -> None:
        """Set the parts; `bad` hears of peers that served bad bytes, and why."""
        self.rows = 0
        """Rows of the version held, told as soon as that is."""
        self._site = site
        self._dataset = dataset
        self._bad = bad
        asker = Asker(site.fetcher.limits.holder, site.sources, bad)
        self._planner = ReplicaPlanner(site.objects, asker)

    async def restore(self, area: Area | None) -> Standing:
        """Find out how the replica stands, let the node answer from it, and note durably that it is one."""
        head = await read_head(self._site.objects, self._dataset)
        record = await read_record(self._site.objects, self._dataset)
        if record is None:
            # A head that is not a replica's came by file, and whole.
            record = KeptReplica(self._dataset, "" if head else fingerprint_of(area))
            await put_record(self._site.objects, record)
            self._site.checkpoint("replica-noted")
        readable = await self._readable()
        self.rows = readable.get(head.pointer.version, 0) if head else 0
        sound = head is not None and record.area == fingerprint_of(area) and head.pointer.version in readable
        if head is not None and sound and area is None:
            with suppress(CorruptObject):  # which `verify` finds
                signed = await get_manifest(self._site.objects, head.pointer.manifest)
                self._site.announce.held(dataset_record(signed.manifest))
        return Standing(head.pointer if head else None, sound)

    async def plan(self, version: int, manifest: str, area: Area | None) -> ReplicaPlan:
        """Find out how to reach a head."""
        standing = await self.restore(area)
        readable = standing.head if standing.sound else None
        return await self._planner.plan(Goal(self._dataset, version, manifest, area, readable))

    async def fetch(self, step: Step, told: Told) -> None:
        """Have the objects of a step."""

        def sources() -> list[Source]:
            return self._site.sources.of(self._dataset, step.version)

        try:
            await self._site.fetcher.fetch_all(step.objects, sources, told, self._bad)
        except CorruptObject as failure:
            raise self._refused(step, failure.english) from failure

    async def apply(self, step: Step, area: Area | None, staged: Callable[[], None]) -> None:
        """Make a step's version readable; `staged` is told, in any thread, once its rows are there, not yet proven."""
        site, signed = self._site, step.signed
        await self._settle_area(area)
        await put_manifest(site.objects, signed)
        site.checkpoint("manifest-kept")
        await self._enter(step)
        site.checkpoint("version-entered")

        def progress(stage: str, done: int, total: int) -> None:
            if done >= total:
                staged()

        keep, needs = (None, _all) if area is None else (area.keep, area.needs)
        try:
            await make_readable(
                site.objects, site.store, signed.manifest,
                keep=keep, needs=needs, progress=progress, checkpoint=site.checkpoint,
            )  # fmt: skip
        except CorruptObject as failure:
            raise await self._blame(step, failure) from failure

    async def move_head(self, step: Step, whole: bool) -> None:
        """Move the head to a step's version, unless it stands there or further; the node can answer from it then."""
        key, pointer = head_key(self._dataset), _pointer(step)
        rows = (await self._readable()).get(step.version, 0)
        for _ in range(_ATTEMPTS):
            head = await read_head(self._site.objects, self._dataset)
            if head is not None and head.pointer.version > step.version:
                return  # an import came first, and has told the node
            if head is not None and head.pointer.version == step.version:
                break
            if await self._site.objects.put_if_match(key, pointer.to_bytes(), head.etag if head else None):
                self._site.checkpoint("head-moved")
                break
        else:
            raise StoreFailure(detail=f"{key} keeps changing")
        self.rows = rows
        if whole:
            self._site.announce.held(dataset_record(step.signed.manifest))

    async def advertise(self, version: int, whole: bool) -> None:
        """Tell the mesh what can be answered from."""
        pointer = await read_version(self._site.objects, self._dataset, version)
        if pointer is None:
            return
        manifest = (await get_manifest(self._site.objects, pointer.manifest)).manifest
        record = ReplicaRecord(self._dataset, self._site.node, version, pointer.manifest, manifest.digest, whole)
        await self._site.announce.advertise(record)

    async def tidy(self) -> None:
        """Let the store put rows in order."""
        await tidied(self._site.store, self._dataset)

    async def drop(self) -> None:
        """Remove head, rows and versions, then the note that there is a replica; objects are left to the collector."""
        objects = self._site.objects
        await self._site.announce.dropped(self._dataset)
        await objects.delete(head_key(self._dataset))
        self._site.checkpoint("head-dropped")
        entries = (await list_entries(objects, self._dataset)).get(self._dataset, [])
        for version in sorted({*entries, *await self._readable()}):
            await self._site.store.drop(self._dataset, version)
            await objects.delete(version_key(self._dataset, version))
        self._site.checkpoint("versions-dropped")
        await delete_record(objects, self._dataset)
        self.rows = 0

    async def _readable(self) -> dict[int, int]:
        """Return the rows of each version that can be read."""
        return {item.version: item.rows for item in await self._site.store.versions() if item.dataset == self._dataset}

    async def _settle_area(self, area: Area | None) -> None:
        """Let go of rows of another area: they do not tell which of them belong to this one."""
        wanted = KeptReplica(self._dataset, fingerprint_of(area))
        if await read_record(self._site.objects, self._dataset) == wanted:
            return
        await self._site.announce.dropped(self._dataset)
        for version in await self._readable():
            await self._site.store.drop(self._dataset, version)
        self._site.checkpoint("area-dropped")
        await put_record(self._site.objects, wanted)
        self._site.checkpoint("area-noted")

    async def _enter(self, step: Step) -> None:
        key, pointer = version_key(self._dataset, step.version), _pointer(step)
        if await self._site.objects.put_if_absent(key, pointer.to_bytes()):
            return
        present = await read_version(self._site.objects, self._dataset, step.version)
        if present is None or present.manifest != pointer.manifest:
            raise self._refused(step, "another version of that number is kept here")

    async def _blame(self, step: Step, failure: CorruptObject) -> Unavailable | VersionRefused:
        """Find out whether an object was damaged here, to be fetched again, or the version does not hold."""
        damaged = []
        try:
            await get_definition(self._site.objects, step.signed.manifest.definition)
        except CorruptObject as lost:
            await self._site.objects.delete(definition_key(step.signed.manifest.definition))
            damaged.append(lost.english)
        for item in step.objects:
            try:
                await verified(self._site.objects, item)
            except CorruptObject:
                await self._site.objects.delete(item.key)
                damaged.append(item.name)
        if damaged:
            return Unavailable(detail=f"本地损坏，将重取 damaged here, to be fetched again: {', '.join(damaged)}")
        head = await read_head(self._site.objects, self._dataset)
        if head is None or head.pointer.version < step.version:
            await self._site.objects.delete(version_key(self._dataset, step.version))
        return self._refused(step, failure.english)

    def _refused(self, step: Step, detail: str) -> VersionRefused:
        return VersionRefused(dataset=self._dataset, version=step.version, detail=detail)


def _pointer(step: Step) -> Pointer:
    manifest = step.signed.manifest
    return Pointer(manifest.dataset, manifest.version, step.signed.name, manifest.write_id)


def _all(item: ObjectRef) -> bool:
    return True
