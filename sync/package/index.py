"""The index of a package: its first entry, signed by the exporting node, from which the place of every byte follows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, cast

from guotu.model.division import is_node_id, split_dataset
from guotu.model.errors import CorruptObject
from sync.canonical import canonical_json, parse_canonical
from sync.package.archive import Member

FORMAT = 1
INDEX = "guotu-package.json"
SIGNATURE = "guotu-package.sig"
MAX_INDEX_BYTES = 16 << 20
MAX_DOCUMENTS_BYTES = 256 << 20
"""Most bytes of keys, manifests and definitions together: they are read into memory."""
_HASH = re.compile(r"[0-9a-f]{64}")
_GROUPS = (
    (re.compile(r"keys/[0-9a-z-]{6,19}/(?P<own>[0-9a-f]{64})\.pub"), 32, 32),
    (re.compile(r"manifests/(?P<own>[0-9a-f]{64})\.json"), 1, 16 << 20),
    (re.compile(r"manifests/[0-9a-f]{64}\.sig"), 64, 64),
    (re.compile(r"definitions/[0-9a-f]{64}\.json"), 1, 4 << 20),
    (re.compile(r"objects/sha256/(?P<start>[0-9a-f]{2})/(?P<own>(?P=start)[0-9a-f]{62})\.parquet"), 1, 4 << 30),
)
"""What entries are called, in their order, and the least and most bytes of each; "own" is the SHA-256 of the bytes."""
_OBJECTS = len(_GROUPS) - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry after the index and its signature. Its name is its key in an object store."""

    name: str
    sha256: str
    """Of its bytes, hex."""
    size_bytes: int

    @property
    def group(self) -> int:
        """The number of its group, in the order of the package; -1 if it belongs to none."""
        found = (number for number, (pattern, *_) in enumerate(_GROUPS) if pattern.fullmatch(self.name))
        return next(found, -1)

    @property
    def is_object(self) -> bool:
        """True for rows; they are copied, not read into memory."""
        return self.group == _OBJECTS


@dataclass(frozen=True, slots=True)
class Slice:
    """The versions of one dataset in a package."""

    dataset: str
    since: int
    """Version that they continue; 0 if they need none."""
    until: int
    """Newest of them; equal to `since` if there are none."""
    manifests: tuple[str, ...]
    """Names of their manifests (SHA-256, hex), oldest first."""


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """What a package holds. A value that breaks a rule of the format raises ValueError."""

    exporter: str
    """Node that signs the index."""
    created_ms: int
    """Milliseconds since 1970-01-01 UTC, by the exporter's clock."""
    datasets: tuple[Slice, ...]
    """In the order of their ids."""
    entries: tuple[Entry, ...]
    """In the order in which they lie in the file."""
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ValueError(f"format {self.format} is not {FORMAT}")
        if not is_node_id(self.exporter) or self.created_ms < 0:
            raise ValueError("exporter or time of creation are none")
        for item in self.datasets:
            _check_slice(item)
        for entry in self.entries:
            _check_entry(entry)
        if not _ascending([item.dataset for item in self.datasets]):
            raise ValueError("datasets are not in order")
        if not _ascending([(entry.group, entry.name) for entry in self.entries]):
            raise ValueError("entries are not in order")
        if sum(entry.size_bytes for entry in self.entries if not entry.is_object) > MAX_DOCUMENTS_BYTES:
            raise ValueError(f"manifests and definitions have more than {MAX_DOCUMENTS_BYTES} bytes")

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return canonical_json(asdict(self))

    def members(self, data: bytes, signature: bytes) -> list[Member]:
        """Return all entries as the archive sees them, index and signature first, without their CRC-32."""
        first = [Member(INDEX, len(data)), Member(SIGNATURE, len(signature))]
        return first + [Member(entry.name, entry.size_bytes) for entry in self.entries]


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return entries in the order of the format, each once."""
    return tuple(sorted(set(entries), key=lambda entry: (entry.group, entry.name)))


def parse_index(data: bytes) -> PackageIndex:
    """Read an index.

    Raises:
        CorruptObject: the bytes are not exactly what `PackageIndex.to_bytes` writes.
    """
    document: dict[str, Any] = parse_canonical(INDEX, data)
    try:
        slices = tuple(_build(Slice, item) for item in _list(document, "datasets"))
        entries = tuple(_build(Entry, item) for item in _list(document, "entries"))
        return cast(PackageIndex, _build(PackageIndex, {**document, "datasets": slices, "entries": entries}))
    except ValueError as error:
        raise CorruptObject(object=INDEX, detail=str(error)) from error


def _check_slice(item: Slice) -> None:
    split_dataset(item.dataset)
    count = len(item.manifests)
    if not all(map(_HASH.fullmatch, item.manifests)):
        raise ValueError(f"names of manifests of {item.dataset} are none")
    follows = item.until - item.since == count if item.since else item.until >= count > 0
    if item.since < 0 or not follows:
        raise ValueError(f"numbers and manifests of {item.dataset} do not agree")


def _check_entry(entry: Entry) -> None:
    if entry.group < 0 or not _HASH.fullmatch(entry.sha256):
        raise ValueError(f"not an entry of a package: {entry.name[:160]!r}")
    pattern, least, most = _GROUPS[entry.group]
    if not least <= entry.size_bytes <= most:
        raise ValueError(f"{entry.name} has {entry.size_bytes} bytes, {least} to {most} may be")
    found = pattern.fullmatch(entry.name)
    own = found.groupdict().get("own") if found else None
    if own not in (None, entry.sha256):
        raise ValueError(f"{entry.name} has another hash than its name")


def _ascending(values: Sequence[Any]) -> bool:
    return all(before < after for before, after in pairwise(values))


def _list(document: dict[str, Any], name: str) -> list[Any]:
    if type(document.get(name)) is not list:
        raise ValueError(f"{name} is not a list")
    return list(document[name])


def _build(cls: type[Any], document: object) -> Any:
    """Make a dataclass of exactly its own fields, with values of exactly their types."""
    if not isinstance(document, dict) or set(document) != {item.name for item in fields(cls)}:
        raise ValueError(f"fields are not those of a {cls.__name__}")
    values = dict(document)
    if cls is Slice:
        values["manifests"] = tuple(_list(values, "manifests"))
        if not all(type(name) is str for name in values["manifests"]):
            raise ValueError("a name of a manifest is not a text")
    expected = {item.name: {"int": int, "str": str}.get(str(item.type), tuple) for item in fields(cls)}
    for name, kind in expected.items():
        if type(values[name]) is not kind:
            raise ValueError(f"{name} of a {cls.__name__} is not a {kind.__name__}")
    return cls(**values)
