"""What nodes advertise of themselves and of their datasets in the registry."""

from __future__ import annotations

from dataclasses import dataclass

from guotu.model.division import node_division

MAX_ALSO_UNDER = 8
"""Trees that a node may stand in besides that of the divisions."""


@dataclass(frozen=True, slots=True)
class Extent:
    """A rectangle in EPSG:4490, lon/lat order, degrees."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    def intersects(self, other: Extent) -> bool:
        """Tell whether the two share a point."""
        return (
            self.xmin <= other.xmax and other.xmin <= self.xmax and self.ymin <= other.ymax and other.ymin <= self.ymax
        )


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A registered node; it stands in the registry as long as its lease lives."""

    node: str
    name: str
    address: str
    """Where peers reach its gRPC services, "host:port"."""
    instance: str
    """Random id of its data directory."""
    software: str = ""
    started_ms: int = 0
    public_key: bytes = b""
    """Ed25519, 32 bytes."""
    store: str = "duckdb"
    metrics_address: str = ""
    draining: bool = False
    """True while its operator has it hand over: replicas of its datasets are asked first, where there are any."""
    reached_through: str = ""
    """The one node that may open connections to it; empty if anyone may."""
    also_under: tuple[str, ...] = ()
    """Nodes above that it also stands under, besides the tree of divisions, in order of preference."""

    @property
    def division(self) -> str:
        """Return the node's division."""
        return node_division(self.node)


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node's own facts."""

    record: NodeRecord
    ready: bool
    """True if it takes questions."""
    stale_registry: bool
    """True if it answers from its last good directory because the registry is out of reach."""
    directory_as_of_ms: int
    """When its directory last agreed with the registry, milliseconds since 1970-01-01 UTC."""


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A dataset's head version, as its owner advertises it."""

    dataset: str
    collection: str
    node: str
    version: int
    rows: int
    extent: Extent | None
    """None for a collection without geometry or an empty version."""
    coverage_wkb: bytes
    """Simplified polygon that covers every feature, WKB, EPSG:4490 lon/lat; empty if extent is None."""
    territory_m2: float
    """Ellipsoidal area of the coverage, square metres."""
    manifest: str
    """SHA-256 of the head manifest, hex."""
    digest: str
    """Set digest of the head version, hex."""
    published_ms: int
    also_under: tuple[str, ...] = ()
    """Where its owner also stands, which is so known while the owner's lease is gone."""


@dataclass(frozen=True, slots=True)
class ReplicaRecord:
    """A node's replica of another's dataset, as it advertises it on its own lease."""

    dataset: str
    node: str
    """Who holds the replica."""
    version: int
    """Newest version that is proven and can be asked for; 0 for none yet."""
    manifest: str = ""
    """SHA-256 of that version's manifest, hex."""
    digest: str = ""
    """Set digest of that version, hex."""
    whole: bool = True
    """False if it is limited to an area: it has the objects it uses, but cannot answer for the dataset."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a version changed against the one before it."""

    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    inserted_m2: float = 0.0
    """Ellipsoidal area of inserted polygons, square metres; 0 where features have no area."""
    updated_before_m2: float = 0.0
    """Of updated ones, before."""
    updated_after_m2: float = 0.0
    """Of updated ones, after."""
    deleted_m2: float = 0.0

    @property
    def count(self) -> int:
        """Return how many features changed."""
        return self.inserts + self.updates + self.deletes


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """One published version of a dataset."""

    dataset: str
    version: int
    rows: int
    published_ms: int
    manifest: str
    digest: str
    queryable: bool
    message: str = ""
    size_bytes: int = 0
    series: int = 1
    """Goes up when a version breaks with the schema of those before it."""
    change: Change | None = None
    """Against the version before; None for the first of a series."""
    source: str = ""
    source_date: str = ""
    """Date of the source data, ISO 8601; empty if not told."""
    pinned: bool = False
    """True if retention leaves it alone."""
    base: bool = False
    """True if its objects hold all rows, not only the change."""
