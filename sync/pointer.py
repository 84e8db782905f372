"""Pointers: which manifest is a dataset's version n, and which version is its head (docs/reference/manifest.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from guotu.model.errors import CorruptObject
from guotu.model.ports import ObjectStore
from sync.canonical import canonical_json, parse_canonical

HEADS = "heads/"
VERSIONS = "versions/"
_SUFFIX = ".json"
_TYPES = {"dataset": str, "manifest": str, "version": int, "write_id": str}


@dataclass(frozen=True, slots=True)
class Pointer:
    """A version of a dataset, its manifest, and the attempt that wrote it."""

    dataset: str
    version: int
    manifest: str
    """SHA-256 of the manifest, hex."""
    write_id: str

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return canonical_json(asdict(self))


@dataclass(frozen=True, slots=True)
class Head:
    """A dataset's head as it was read."""

    pointer: Pointer
    etag: str


def head_key(dataset: str) -> str:
    """Return the key of a dataset's head."""
    return f"{HEADS}{dataset}{_SUFFIX}"


def version_key(dataset: str, version: int) -> str:
    """Return the key of the entry that takes a version number."""
    return f"{VERSIONS}{dataset}/{version}{_SUFFIX}"


def parse_pointer(key: str, data: bytes) -> Pointer:
    """Read a pointer.

    Raises:
        CorruptObject: the bytes are not exactly what `Pointer.to_bytes` writes.
    """
    values = parse_canonical(key, data)
    if {name: type(value) for name, value in values.items()} != _TYPES:
        raise CorruptObject(object=key, detail="not a pointer")
    return Pointer(**values)  # type: ignore[arg-type]


async def read_head(objects: ObjectStore, dataset: str) -> Head | None:
    """Return the head; None if the dataset has none.

    Raises:
        CorruptObject: it is not a pointer of this dataset.
    """
    key = head_key(dataset)
    found = await objects.get(key)
    return None if found is None else Head(_checked(key, found[0], dataset), found[1])


async def read_version(objects: ObjectStore, dataset: str, version: int) -> Pointer | None:
    """Return the entry of a version; None if there is none.

    Raises:
        CorruptObject: it is not a pointer of this version.
    """
    key = version_key(dataset, version)
    found = await objects.get(key)
    if found is None:
        return None
    pointer = _checked(key, found[0], dataset)
    if pointer.version != version:
        raise CorruptObject(object=key, detail=f"points to version {pointer.version}")
    return pointer


async def list_heads(objects: ObjectStore) -> list[str]:
    """Return the datasets that have a head, sorted."""
    keys = await objects.keys(HEADS)
    return sorted(key[len(HEADS) : -len(_SUFFIX)] for key in keys)


async def list_entries(objects: ObjectStore, dataset: str = "") -> dict[str, list[int]]:
    """Return the version numbers taken, ascending, by dataset; of one dataset if given."""
    taken: dict[str, list[int]] = {}
    for key in await objects.keys(f"{VERSIONS}{dataset}/" if dataset else VERSIONS):
        name, _, number = key[len(VERSIONS) : -len(_SUFFIX)].rpartition("/")
        taken.setdefault(name, []).append(int(number))
    return {name: sorted(numbers) for name, numbers in sorted(taken.items())}


def _checked(key: str, data: bytes, dataset: str) -> Pointer:
    pointer = parse_pointer(key, data)
    if pointer.dataset != dataset:
        raise CorruptObject(object=key, detail=f"points to {pointer.dataset}")
    return pointer
