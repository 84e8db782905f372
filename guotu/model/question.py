"""Questions: what is asked of a node, bounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from guotu.model.crs import MESH_CRS
from guotu.model.expression import Scalar
from guotu.model.records import Extent
from guotu.model.zones import Zones

MAX_FILTER_BYTES = 1 << 20
MAX_FIELDS = 256
MAX_SORT_KEYS = 8
MAX_GROUP_COLUMNS = 8
MAX_AGGREGATES = 32
MAX_LIMIT = 1_000_000_000
MAX_PAGE_ROWS = 1_000_000
MAX_PAGE_TOKEN = 120_000
"""Characters; what a command line takes as one argument."""
MAX_GROUPS = 1_000_000
"""Most groups that an aggregate answer may have."""

MAX_BINS = 1024
MAX_QUANTILES = 100
MAX_NEAREST = 10_000
DISTANCE = "distance_m"
"""Column of how far away a feature is, metres. float64."""

Cut = Mapping[str, int]
"""The vector {dataset -> version}."""


class Scope(StrEnum):
    """How far down the divisions a question reaches."""

    SELF = "self"
    SUBTREE = "subtree"


class CompletenessMode(StrEnum):
    """What the caller wants when a member cannot answer."""

    REQUIRE_ALL = "require_all"
    ALLOW_PARTIAL = "allow_partial"


class AggregateFunction(StrEnum):
    """Functions of an aggregate."""

    COUNT = "count"
    SUM = "sum"
    MIN = "min"
    MAX = "max"
    AVG = "avg"


@dataclass(frozen=True, slots=True)
class SortKey:
    """One sort key; nulls come last either way."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What every question has. `cut` names versions; datasets not named are answered from their head, if not closed."""

    scope: Scope = Scope.SUBTREE
    completeness: CompletenessMode = CompletenessMode.REQUIRE_ALL
    cut: Cut = field(default_factory=dict)
    dataset: str = ""
    """Answer from this dataset alone: by the node asked if it holds it (owner or replica), else by its owner."""
    closed: bool = False
    """The cut is whole: datasets that it does not name have no part in the answer."""
    receipt: bool = False
    """Give a signed receipt with the trailer."""
    relayed: bool = False
    """A node asks its member; that one asks none but those below it."""
    analyze: bool = False
    """Also tell, in the trailer, what became of each step at every level."""
    aside: bool = False
    """A node reads a dataset for the sake of a question that it answers: that has its turn, so this need not wait."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which features a question is about; all parts given must hold."""

    filter: str = ""
    """CQL2 text, or CQL2 JSON if it begins with "{"; empty for none. Geometries are EPSG:4490, lon/lat."""
    bbox: Extent | None = None
    """Features that intersect this rectangle."""
    within: bytes = b""
    """Features that lie within this polygon: WKB, EPSG:4490, lon/lat; empty for none."""
    division: str = ""
    """Features of this division, by the collection's division field; empty for none."""
    boundary: str = ""
    """Features that lie within this division, a code or a name, by the boundary that the mesh holds of it.

    The node that is asked first puts the polygon in its place.
    """


@dataclass(frozen=True, slots=True)
class Nearest:
    """What features shall be near of."""

    wkb: bytes
    """WKB, EPSG:4490, lon/lat."""
    within_m: float = 0.0
    """Only features at most so far away, metres as `guotu.model.distance` has them; 0 for any distance."""


@dataclass(frozen=True, slots=True)
class Position:
    """A row's place among the rows of a paged answer."""

    owner: str
    """Node id of the owner of its dataset."""
    values: tuple[Scalar | None, ...]
    """Its values of the sort keys, the collection's key included."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a retrieval.

    Its order is that of the sort keys, then the key, then the owner; without sort keys of the owner, then the key.
    """

    size: int = 0
    """Most rows; 0 between nodes, which give each other a limit."""
    token: str = ""
    """What the page before gave for this one; empty for the first one."""
    owners: bool = False
    """Also give the owner of each row, as the last column OWNER."""
    after: Position | None = None
    """Give only rows that come after this one."""


@dataclass(frozen=True, slots=True)
class Query:
    """A retrieval."""

    collection: str
    selection: Selection = Selection()
    fields: tuple[str, ...] = ()
    sort: tuple[SortKey, ...] = ()
    limit: int = 0
    """Most rows; 0 for no limit."""
    crs: str = MESH_CRS
    """CRS of returned geometries, x=easting/longitude first."""
    options: Options = Options()
    nearest: Nearest | None = None
    """Return the `limit` nearest features, the nearest first; rows then begin with the column DISTANCE."""
    page: Page | None = None
    """None for all rows at once."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One aggregate column; `field` is empty for the count of rows."""

    function: AggregateFunction
    field: str
    alias: str


@dataclass(frozen=True, slots=True)
class Bins:
    """Classes of a number or date field: [e0, e1), [e1, e2), ..., the last one with its upper end."""

    field: str
    count: int = 0
    """So many of equal width, between two edges or else the least and the greatest value; 0 if all edges are given."""
    edges: tuple[str, ...] = ()
    """Ascending: numbers, or dates (yyyy-mm-dd), as text."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Values that shares of all others do not exceed."""

    field: str
    at: tuple[float, ...]
    """Shares, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Stats:
    """A grouping question; `group_by` names fields or the division levels province, prefecture, county."""

    collection: str
    aggregates: tuple[Aggregate, ...]
    group_by: tuple[str, ...] = ()
    selection: Selection = Selection()
    options: Options = Options()
    top: int = 0
    """Only so many groups, those with the greatest values of the first aggregate; 0 for all, by the group columns."""
    bins: Bins | None = None
    """Group by classes instead of fields."""
    quantiles: Quantiles | None = None
    """Give quantiles instead of groups; then there are no aggregates."""
    estimate: bool = False
    """Estimate how many features there are, from what is advertised, without asking anybody; without aggregates."""


@dataclass(frozen=True, slots=True)
class PartOf:
    """Which part of a whole, asked in several questions, one is: stands in the receipt, and has no other bearing."""

    whole: str
    """SHA-256 of the whole's statement (guotu.model.whole), 64 hexadecimal digits."""
    number: int
    """From 0 on."""
    count: int
    """Of all parts."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """Features laid over zones: how many there are in each zone and group, and how much of it they take."""

    collection: str
    """Of polygons."""
    zones: Zones
    group_by: tuple[str, ...] = ()
    """Fields, or the division levels province, prefecture, county."""
    selection: Selection = Selection()
    shares: bool = True
    """Also give the share of the zone's own area."""
    options: Options = Options()
    left_to: Cut = field(default_factory=dict)
    """Datasets of divisions below those of others: features that both hold count for these alone."""
    part: PartOf | None = None


@dataclass(frozen=True, slots=True)
class ZoneSource:
    """Zones that are the features of a collection of polygons, taken from whoever owns them."""

    collection: str
    group_by: tuple[str, ...] = ()
    """Fields, the key among them for each zone alone, or the division levels province, prefecture, county."""
    filter: str = ""
    """CQL2, as in a Selection."""
    dataset: str = ""
    """Take them from this dataset alone."""
    cut: Cut = field(default_factory=dict)
    """The datasets that they are taken from, with versions; empty to have the node asked choose: all that it knows."""


@dataclass(frozen=True, slots=True)
class LayerOverlay:
    """One collection laid over another: counts and areas by groups of both."""

    collection: str
    """Of polygons."""
    zones: ZoneSource
    group_by: tuple[str, ...] = ()
    """Of `collection`: fields, or the division levels province, prefecture, county."""
    selection: Selection = Selection()
    options: Options = Options()
    left_to: Cut = field(default_factory=dict)
    """As of an Overlay, for `collection`."""
    part: PartOf | None = None


Question = Query | Stats | Overlay | LayerOverlay
