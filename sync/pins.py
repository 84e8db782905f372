"""Pins: versions that retention leaves alone, each an entry of its own in the object store."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from guotu.model.errors import CorruptObject, UnknownVersion
from guotu.model.ports import ObjectStore
from sync.canonical import canonical_json, parse_canonical
from sync.pointer import read_head, read_version

PINS = "pins/"
_SUFFIX = ".json"
_TYPES = {"dataset": str, "version": int, "reason": str, "pinned_ms": int}


@dataclass(frozen=True, slots=True)
class Pin:
    """One pinned version."""

    dataset: str
    version: int
    reason: str
    """Why, for people."""
    pinned_ms: int
    """When, milliseconds since 1970-01-01 UTC."""

    @property
    def key(self) -> str:
        """Where it is kept."""
        return pin_key(self.dataset, self.version)


def pin_key(dataset: str, version: int) -> str:
    """Return the key of the pin of a version."""
    return f"{PINS}{dataset}/{version}{_SUFFIX}"


async def pin(objects: ObjectStore, wanted: Pin) -> bool:
    """Pin a version; tells whether it was not pinned before. The first reason stays. Must not run beside retention.

    Raises:
        UnknownVersion: the version is not retained.
    """
    head = await read_head(objects, wanted.dataset)
    entry = await read_version(objects, wanted.dataset, wanted.version)
    if head is None or entry is None or wanted.version > head.pointer.version:
        raise UnknownVersion(dataset=wanted.dataset, version=wanted.version)
    return await objects.put_if_absent(wanted.key, canonical_json(asdict(wanted)))


async def unpin(objects: ObjectStore, dataset: str, version: int) -> bool:
    """Let a version go to retention again; tells whether it was pinned."""
    key = pin_key(dataset, version)
    if await objects.get(key) is None:
        return False
    await objects.delete(key)
    return True


async def pinned_versions(objects: ObjectStore, dataset: str = "") -> dict[str, frozenset[int]]:
    """Return the numbers of the pinned versions by dataset; of one dataset if given."""
    found: dict[str, set[int]] = {}
    for key in await objects.keys(f"{PINS}{dataset}/" if dataset else PINS):
        name, _, number = key[len(PINS) : -len(_SUFFIX)].rpartition("/")
        found.setdefault(name, set()).add(int(number))
    return {name: frozenset(numbers) for name, numbers in found.items()}


async def read_pin(objects: ObjectStore, dataset: str, version: int) -> Pin | None:
    """Return the pin of a version; None if it is not pinned.

    Raises:
        CorruptObject: it is not a pin of this version.
    """
    key = pin_key(dataset, version)
    found = await objects.get(key)
    if found is None:
        return None
    values = parse_canonical(key, found[0])
    if {name: type(value) for name, value in values.items()} != _TYPES:
        raise CorruptObject(object=key, detail="not a pin")
    read = Pin(**values)  # type: ignore[arg-type]
    if read.key != key:
        raise CorruptObject(object=key, detail=f"pins {read.dataset}@{read.version}")
    return read
