"""Manifest: what a version is, in bytes that its publisher signs (docs/reference/manifest.md)."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, cast

from guotu.model.division import is_node_id, split_dataset
from guotu.model.errors import CorruptObject
from guotu.model.records import Change, Extent
from sync.canonical import canonical_json, parse_canonical

FORMAT = 2
BASE, DELTA = "base", "delta"
BLOCK_BYTES = 4 << 20
"""Size of the blocks that an object is checked by on its way; the last may be shorter."""
_HASH = re.compile(r"[0-9a-f]{64}")
_HEX = re.compile(r"(?:[0-9a-f]{2})*")
_TYPES: dict[str, type] = {"int": int, "str": str, "float": float, "bool": bool}


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object that a version is made of."""

    kind: str
    """"base": rows of a full snapshot, in the objects' order; "delta": what changed against the version before."""
    key: str
    """Where the publisher's object store keeps it."""
    sha256: str
    """Of its bytes, hex."""
    size_bytes: int
    rows: int
    extent: Extent | None
    """Of its features, and of those they replace; None if they have no geometry."""
    blocks: tuple[str, ...]
    """SHA-256 of each block of BLOCK_BYTES of its bytes, hex."""

    @property
    def name(self) -> str:
        """How it is called in messages."""
        return f"{self.kind} {self.sha256[:12]}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One version of one dataset. A value that breaks a rule of the format raises ValueError."""

    dataset: str
    version: int
    """From 1, without gaps."""
    series: int
    """From 1; goes up with a version that breaks with the schema of those before."""
    base: bool
    """True if the base objects hold all rows (an empty version has none)."""
    parent: str
    """SHA-256 of the manifest of the version before, hex; empty for the first."""
    collection: str
    definition: str
    """Hash of the collection's definition (sync.definition), hex."""
    crs: str
    rows: int
    extent: Extent | None
    """None for a collection without geometry or an empty version."""
    coverage: str
    """Simplified polygon that covers every feature, WKB in hex, EPSG:4490 lon/lat; empty if there is no extent."""
    territory_m2: float
    """Ellipsoidal area of the coverage, square metres."""
    objects: tuple[ObjectRef, ...]
    """Base objects if `base`; delta objects if the version before has the same series and definition."""
    change: Change | None
    """Against the version before; None for the first of a series."""
    digest: str
    """Set digest (sync.setdigest), hex."""
    publisher: str
    """Node that signs."""
    published_ms: int
    """Milliseconds since 1970-01-01 UTC."""
    message: str
    source: str
    source_date: str
    """Date of the source data, ISO 8601; empty if not told."""
    write_id: str
    """Random id of the attempt, by which a publisher knows its own work again."""
    notes: Mapping[str, int | str] = field(default_factory=dict)
    """Facts of the import worth keeping, such as how many geometries were repaired."""
    format: int = FORMAT

    def __post_init__(self) -> None:
        for wrong, text in self._faults():
            if wrong:
                raise ValueError(f"{text}: {self.dataset!r}@{self.version!r}")

    def _faults(self) -> list[tuple[bool, str]]:
        blocks = (block for item in self.objects for block in item.blocks)
        hashes = (self.definition, self.digest, *(item.sha256 for item in self.objects), *blocks)
        counts = (self.rows, self.published_ms, *(item.size_bytes for item in self.objects))
        return [
            (self.format != FORMAT, f"format {self.format} is not {FORMAT}"),
            (not _is_dataset_of(self.dataset, self.collection), "not a dataset of its collection"),
            (not is_node_id(self.publisher), "the publisher is not a node id"),
            (self.version < 1 or (self.version == 1) != (not self.parent), "version and parent do not agree"),
            (not all(map(_HASH.fullmatch, hashes)), "not a SHA-256 in hex"),
            (bool(self.parent) and not _HASH.fullmatch(self.parent), "the parent is not a SHA-256 in hex"),
            (not _HEX.fullmatch(self.coverage), "the coverage is not hex"),
            (any(count < 0 for count in counts), "a count is negative"),
            (self.series < 1, "the series is not positive"),
            (any(item.kind not in (BASE, DELTA) for item in self.objects), "an object is of an unknown kind"),
            (
                any(len(item.blocks) != -(-item.size_bytes // BLOCK_BYTES) for item in self.objects),
                "blocks are missing",
            ),
            (not self.base and bool(self.bases), "there are base objects, and it is no base"),
            (not self.base and self.version == 1, "the first version is no base"),
            (self.base and self.rows != sum(item.rows for item in self.bases), "rows are not the sum of the objects'"),
            (bool(self.deltas) and self.version == 1, "the first version has a delta"),
            (not self.write_id, "there is no write id"),
        ]

    @property
    def bases(self) -> tuple[ObjectRef, ...]:
        """Return the objects that hold all rows."""
        return tuple(item for item in self.objects if item.kind == BASE)

    @property
    def deltas(self) -> tuple[ObjectRef, ...]:
        """Return the objects that hold what changed."""
        return tuple(item for item in self.objects if item.kind == DELTA)

    def to_bytes(self) -> bytes:
        """Return the canonical JSON."""
        return canonical_json(_to_json(self))

    @property
    def name(self) -> str:
        """SHA-256 of the canonical JSON, hex: the name of the version's content."""
        return manifest_name(self.to_bytes())


def manifest_name(data: bytes) -> str:
    """Return the name of a manifest's bytes: their SHA-256, hex."""
    return hashlib.sha256(data).hexdigest()


def is_manifest_name(name: str) -> bool:
    """Tell whether `name` has the form of a manifest's name."""
    return _HASH.fullmatch(name) is not None


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        CorruptObject: the bytes are not exactly what `Manifest.to_bytes` writes.
    """
    name = f"manifest {manifest_name(data)}"
    document = parse_canonical(name, data)
    try:
        document["objects"] = tuple(_object(item) for item in _expect(list, document.get("objects")))
        document["extent"] = _extent(document.get("extent"))
        document["change"] = _change(document.get("change"))
        notes = _expect(dict, document.get("notes"))
        if not all(type(value) in (int, str) for value in notes.values()):
            raise ValueError("a note is neither a number nor a text")
        return cast(Manifest, _build(Manifest, document))
    except ValueError as error:
        raise CorruptObject(object=name, detail=str(error)) from error


def _is_dataset_of(dataset: str, collection: str) -> bool:
    try:
        return split_dataset(dataset)[1] == collection
    except ValueError:
        return False


def _to_json(value: Manifest | ObjectRef) -> dict[str, object]:
    """Return the fields of a manifest or of one of its objects as JSON values."""
    document: dict[str, object] = {item.name: getattr(value, item.name) for item in fields(value)}
    extent = value.extent
    document["extent"] = extent and [extent.xmin, extent.ymin, extent.xmax, extent.ymax]
    if isinstance(value, Manifest):
        document["objects"] = [_to_json(item) for item in value.objects]
        document["notes"] = dict(value.notes)
        document["change"] = value.change and asdict(value.change)
    else:
        document["blocks"] = list(value.blocks)
    return document


def _object(document: object) -> ObjectRef:
    values = _expect(dict, document)
    blocks = tuple(_expect(str, block) for block in _expect(list, values.get("blocks")))
    return cast(ObjectRef, _build(ObjectRef, {**values, "extent": _extent(values.get("extent")), "blocks": blocks}))


def _change(document: object) -> Change | None:
    return None if document is None else cast(Change, _build(Change, _expect(dict, document)))


def _extent(value: object) -> Extent | None:
    if value is None:
        return None
    corners = _expect(list, value)
    if len(corners) != 4 or not all(type(item) is float and math.isfinite(item) for item in corners):
        raise ValueError("an extent is not four numbers")
    return Extent(*corners)


def _expect(kind: type, value: object) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{value!r} is not a {kind.__name__}")
    return value


def _build(cls: type, document: dict[str, object]) -> object:
    """Make a dataclass of exactly its own fields, with values of exactly its types."""
    expected = {item.name: str(item.type) for item in fields(cls)}
    if set(document) != set(expected):
        raise ValueError(f"fields are not those of a {cls.__name__}: {sorted(set(document) ^ set(expected))}")
    for name, kind in expected.items():
        if kind in _TYPES:
            _expect(_TYPES[kind], document[name])
    return cls(**document)
