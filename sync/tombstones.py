"""Tombstones: which objects nothing needed when garbage was last looked for, and since when (`sync.garbage`).

How long an object has been garbage is not told from the machine's clock, which may be set forward or back by years. It
is counted on a clock of the collector's own, kept in the object store: at each collection it goes on by the seconds
that the process has seen pass since the one before (a monotonic clock, which nobody can set), and not at all while no
node runs. So it never goes faster than time does, and a tombstone's age is at most the time that really went by.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from guotu.model.errors import CorruptObject
from guotu.model.ports import ObjectStore
from sync.canonical import canonical_json, parse_canonical

TOMBSTONES = "tombstones/"
CLOCK = "garbage/clock.json"
_SUFFIX = ".json"
_TYPES = {"key": str, "size_bytes": int, "marked_ms": int, "counted_ms": int}


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An object that nothing needed."""

    key: str
    """Of the object."""
    size_bytes: int
    """0 if no manifest told."""
    marked_ms: int
    """When it was marked, milliseconds since 1970-01-01 UTC; for people, nothing is decided by it."""
    counted_ms: int
    """When it was marked, on the collector's clock."""


def tombstone_key(key: str) -> str:
    """Return the key of an object's tombstone: by its SHA-256, which is in its name."""
    return f"{TOMBSTONES}{key.rpartition('/')[2].partition('.')[0]}{_SUFFIX}"


async def mark(objects: ObjectStore, tombstone: Tombstone) -> None:
    """Put up a tombstone; one that is there stays."""
    await objects.put_if_absent(tombstone_key(tombstone.key), canonical_json(asdict(tombstone)))


async def unmark(objects: ObjectStore, key: str) -> None:
    """Take an object's tombstone away; nothing if there is none."""
    await objects.delete(tombstone_key(key))


async def tombstones(objects: ObjectStore) -> dict[str, Tombstone]:
    """Return the tombstones by the object's key; one that is damaged is taken away, so that its time begins anew."""
    found = {}
    for name in await objects.keys(TOMBSTONES):
        kept = await objects.get(name)
        if kept is None:
            continue
        try:
            tombstone = _parse(name, kept[0])
        except CorruptObject:
            await objects.delete(name)
            continue
        found[tombstone.key] = tombstone
    return found


async def read_clock(objects: ObjectStore) -> tuple[int, str | None]:
    """Return (time on the collector's clock in milliseconds, its etag); 0 if it was never set or is damaged."""
    kept = await objects.get(CLOCK)
    if kept is None:
        return 0, None
    try:
        value = parse_canonical(CLOCK, kept[0]).get("counted_ms")
    except CorruptObject:
        value = None
    return value if type(value) is int and value >= 0 else 0, kept[1]


async def write_clock(objects: ObjectStore, counted_ms: int, etag: str | None) -> None:
    """Set the collector's clock; nothing if somebody else set it meanwhile."""
    await objects.put_if_match(CLOCK, canonical_json({"counted_ms": counted_ms}), etag)


def _parse(name: str, data: bytes) -> Tombstone:
    values = parse_canonical(name, data)
    if {field: type(value) for field, value in values.items()} != _TYPES:
        raise CorruptObject(object=name, detail="not a tombstone")
    tombstone = Tombstone(**values)  # type: ignore[arg-type]
    if tombstone_key(tombstone.key) != name:
        raise CorruptObject(object=name, detail="of another object")
    return tombstone
