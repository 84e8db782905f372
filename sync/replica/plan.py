"""Plan: how to get from what is held to a head: which versions to apply, and from whom nothing is believed unproven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from guotu.model.crs import MESH_CRS
from guotu.model.division import split_dataset
from guotu.model.errors import CorruptObject, Unavailable, UntrustedKey, VersionRefused
from guotu.model.ports import ObjectStore
from sync.chain import check_link
from sync.datafile import object_key
from sync.definitions import definition_key, put_definition
from sync.manifest import Manifest, ObjectRef
from sync.pointer import Pointer
from sync.replica.area import Area
from sync.replica.asking import Asker
from sync.replica.fetch import is_here
from sync.signed import SignedManifest, delete_manifest, get_manifest, manifest_key, signature_key
from sync.trust import check_signature, fingerprint, trust, trusted_keys


@dataclass(frozen=True, slots=True)
class Step:
    """A version to be applied, and the objects by which."""

    signed: SignedManifest
    objects: tuple[ObjectRef, ...]

    @property
    def version(self) -> int:
        """Return the version's number."""
        return self.signed.manifest.version

    def counts_on(self) -> set[str]:
        """Return the keys that the step counts on in the object store."""
        name = self.signed.name
        own = {manifest_key(name), signature_key(name), definition_key(self.signed.manifest.definition)}
        return own | {item.key for item in self.objects}


@dataclass(frozen=True, slots=True)
class ReplicaPlan:
    """What leads to a head."""

    steps: tuple[Step, ...]
    """Ascending, without gaps."""
    total_bytes: int
    """Of objects that are not here."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached."""

    dataset: str
    version: int
    manifest: str
    area: Area | None
    readable: Pointer | None
    """The version whose rows, of that area, can be read here; None if there is none."""


class ReplicaPlanner:
    """Makes plans; keeps definitions and keys that it comes upon."""

    def __init__(self, objects: ObjectStore, asker: Asker) -> None:
        self._objects = objects
        self._asker = asker

    async def plan(self, goal: Goal) -> ReplicaPlan:
        """Find the steps that need the fewest bytes.

        Raises:
            Unavailable: nobody could give a manifest or a definition, or the owner's key while it is not registered.
            VersionRefused, UntrustedKey: the head, or one before it, does not hold.
            CorruptObject: something kept here is damaged.
        """
        await self._meet(split_dataset(goal.dataset)[0])
        walk = _Walk(goal, self._objects)
        signed = await self._manifest(goal.dataset, goal.version, goal.manifest)
        _check_head(signed, goal)
        while await walk.take(signed):
            try:
                signed = await self._before(signed.manifest)
            except Unavailable:
                # Owners let old versions go; what was found above them may still do.
                if not walk.has_plan:
                    raise
                break
        plan = walk.best()
        for digest in dict.fromkeys(step.signed.manifest.definition for step in plan.steps):
            await self._have_definition(goal, digest)
        return plan

    async def _before(self, child: Manifest) -> SignedManifest:
        parent = await self._manifest(child.dataset, child.version - 1, child.parent)
        check_link(parent, child)
        return parent

    async def _meet(self, owner: str) -> None:
        """Trust the key that the registry shows, if none is known yet; later ones need the operator."""
        if await trusted_keys(self._objects, owner):
            return
        key = self._asker.sources.key_of(owner)
        if key is None:
            raise Unavailable(detail=f"{owner} 未注册，尚不知其公钥 is not registered, so its key is not known yet")
        if len(key) != 32:
            raise UntrustedKey(node=owner, fingerprint=fingerprint(key) if key else "-")
        await trust(self._objects, owner, key)

    async def _manifest(self, dataset: str, version: int, name: str) -> SignedManifest:
        """Return a manifest, its signature checked; from here if it is here."""
        if manifest_key(name) in await self._objects.keys(manifest_key(name)):
            signed = await self._kept(dataset, version, name)
        else:
            signed = await self._asker.manifest(dataset, version, name)
        if signed.manifest.dataset != dataset:
            raise VersionRefused(dataset=dataset, version=version, detail=f"it is of {signed.manifest.dataset}")
        await check_signature(self._objects, signed)
        _check_objects(signed.manifest)
        return signed

    async def _kept(self, dataset: str, version: int, name: str) -> SignedManifest:
        """Return a manifest that is kept here; one that is damaged is fetched again."""
        try:
            return await get_manifest(self._objects, name)
        except CorruptObject:
            await delete_manifest(self._objects, name)
            return await self._asker.manifest(dataset, version, name)

    async def _have_definition(self, goal: Goal, digest: str) -> None:
        if definition_key(digest) not in await self._objects.keys(definition_key(digest)):
            collection = await self._asker.definition(goal.dataset, goal.version, digest)
            await put_definition(self._objects, collection)


class _Walk:
    """The way down from the head, with the cheapest plan so far."""

    def __init__(self, goal: Goal, objects: ObjectStore) -> None:
        self._goal = goal
        self._objects = objects
        self._above: list[Step] = []
        self._above_bytes = 0
        """To be fetched for the deltas of the steps above; the steps lead on from the version below them."""
        self._plan: ReplicaPlan | None = None

    async def take(self, signed: SignedManifest) -> bool:
        """Look at the next manifest below; tells whether the one before it is of interest."""
        manifest, readable = signed.manifest, self._goal.readable
        if readable is not None and manifest.version == readable.version:
            if readable.manifest != signed.name:
                raise _refused(manifest, f"version {manifest.version} here is another, {readable.manifest}")
            self._offer([], self._above_bytes)
            return False
        if manifest.base:
            area = self._goal.area
            bases = tuple(item for item in manifest.bases if area is None or area.needs(item))
            self._offer([Step(signed, bases)], self._above_bytes + await self._to_fetch(bases))
        self._above_bytes += await self._to_fetch(manifest.deltas)
        self._above.append(Step(signed, manifest.deltas))
        return bool(manifest.deltas) and await self._is_worth_it(manifest)

    @property
    def has_plan(self) -> bool:
        """Tell whether there is a way to the head."""
        return self._plan is not None

    def best(self) -> ReplicaPlan:
        """Return the cheapest plan."""
        assert self._plan is not None  # no walk ends without one
        return self._plan

    async def _is_worth_it(self, manifest: Manifest) -> bool:
        """Tell whether going further down may give a cheaper plan than there is."""
        if self._plan is None:
            return True
        if self._above_bytes >= self._plan.total_bytes:
            return False
        readable = self._goal.readable
        if readable is not None and manifest.version > readable.version:
            return True
        return manifest_key(manifest.parent) in await self._objects.keys(manifest_key(manifest.parent))

    def _offer(self, first: list[Step], total_bytes: int) -> None:
        if self._plan is None or total_bytes < self._plan.total_bytes:
            self._plan = ReplicaPlan((*first, *reversed(self._above)), total_bytes)

    async def _to_fetch(self, items: Sequence[ObjectRef]) -> int:
        return sum([item.size_bytes for item in items if not await is_here(self._objects, item)])


def _check_head(signed: SignedManifest, goal: Goal) -> None:
    if signed.manifest.version != goal.version:
        detail = f"the manifest advertised is of version {signed.manifest.version}"
        raise VersionRefused(dataset=goal.dataset, version=goal.version, detail=detail)


def _check_objects(manifest: Manifest) -> None:
    """Check what a reader of the manifest relies on, so that nothing is fetched in vain or kept in a wrong place."""
    if manifest.crs != MESH_CRS:
        raise _refused(manifest, f"its CRS is {manifest.crs}")
    for item in manifest.objects:
        if item.key != object_key(item.sha256):
            raise _refused(manifest, f"{item.name} is kept under {item.key!r}")
    if not manifest.base and not manifest.deltas:
        raise _refused(manifest, "it has neither a base nor a delta")


def _refused(manifest: Manifest, detail: str) -> VersionRefused:
    return VersionRefused(dataset=manifest.dataset, version=manifest.version, detail=detail)
