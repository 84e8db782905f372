"""A collection, directories and members for tests of `federation`."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from datetime import date

import hypothesis.strategies as st
import shapely

from guotu.model.collection import Collection, Family, Field, FieldType, GeometryType
from guotu.model.expression import (
    Always,
    And,
    Between,
    Compare,
    CompareFields,
    Comparison,
    Expression,
    In,
    IsNull,
    Like,
    Not,
    Or,
    Spatial,
    SpatialRelation,
)
from guotu.model.ports import DirectoryView
from guotu.model.records import DatasetRecord, Extent, NodeRecord, ReplicaRecord

PARCELS = Collection(
    id="dltb",
    family=Family.STATUS,
    title="地类图斑",
    title_en="land-use parcels",
    geometry=GeometryType.POLYGON,
    key="BSM",
    fields=(
        Field("BSM", "标识码", FieldType.TEXT, length=18, nullable=False),
        Field("DLBM", "地类编码", FieldType.TEXT, length=5),
        Field("DLMC", "地类名称", FieldType.TEXT, length=60),
        Field("ZLDWDM", "坐落单位代码", FieldType.TEXT, length=19),
        Field("TBMJ", "图斑面积", FieldType.DECIMAL, width=15, decimals=2, unit="m²"),
        Field("KCMJ", "扣除地类面积", FieldType.DECIMAL, width=15, decimals=2, unit="m²"),
        Field("KD", "宽度", FieldType.DOUBLE),
        Field("SJNF", "数据年份", FieldType.INTEGER),
        Field("GXRQ", "更新日期", FieldType.DATE),
        Field("SFYX", "是否有效", FieldType.BOOLEAN),
        Field("备注", "备注", FieldType.TEXT, length=100),
        Field("in", "名称与关键字相同", FieldType.TEXT, length=10),
    ),
    division_field="ZLDWDM",
)
FIGURES = Collection(
    id="rk",
    family=Family.SOCIOECONOMIC,
    title="人口",
    title_en="population",
    geometry=GeometryType.NONE,
    key="BSM",
    fields=(Field("BSM", "标识码", FieldType.TEXT, length=18), Field("CZRK", "常住人口", FieldType.INTEGER)),
)

CHENGDU = (104.0, 30.5, 104.2, 30.8)


def node(name: str, through: str = "", also: tuple[str, ...] = ()) -> NodeRecord:
    """Return the record of a node whose address is "NAME:1"."""
    return NodeRecord(name, f"节点 {name}", f"{name}:1", instance=name, reached_through=through, also_under=also)


def dataset(
    owner: str,
    version: int = 1,
    rows: int = 100,
    box: tuple[float, float, float, float] | None = CHENGDU,
    coverage: shapely.Geometry | None = None,
    collection: str = "dltb",
) -> DatasetRecord:
    """Return the record of a dataset with a rectangular extent; its coverage is the extent unless given."""
    covered = coverage if coverage is not None else shapely.box(*box) if box else None
    return DatasetRecord(
        dataset=f"{owner}/{collection}",
        collection=collection,
        node=owner,
        version=version,
        rows=rows,
        extent=Extent(*box) if box else None,
        coverage_wkb=shapely.to_wkb(covered) if covered is not None else b"",
        territory_m2=1000.0 * rows,
        manifest="00" * 32,
        digest="00" * 32,
        published_ms=0,
    )


def view(
    nodes: Iterable[str | NodeRecord],
    datasets: Iterable[DatasetRecord],
    stale: bool = False,
    replicas: Iterable[ReplicaRecord] = (),
    draining: Container[str] = (),
) -> DirectoryView:
    """Return a directory; of a node whose name alone is given anyone may ask anything."""
    shelves: dict[str, dict[str, DatasetRecord]] = {}
    for record in datasets:
        shelves.setdefault(record.collection, {})[record.dataset] = record
    held: dict[str, dict[str, ReplicaRecord]] = {}
    for replica in replicas:
        held.setdefault(replica.dataset, {})[replica.node] = replica
    records = [node(item) if isinstance(item, str) else item for item in nodes]
    known = {record.node: replace(record, draining=record.node in draining) for record in records}
    return DirectoryView(known, shelves, held, stale, as_of_ms=1_700_000_000_000)


class FixedDirectory:
    """`guotu.model.ports.Directory` whose view is what a test says."""

    def __init__(self, first: DirectoryView) -> None:
        self.present = first

    def view(self) -> DirectoryView:
        return self.present


class FixedCatalogue:
    """`guotu.model.ports.Catalogue` of given collections."""

    def __init__(self, *collections: Collection) -> None:
        self._collections: Mapping[str, Collection] = {item.id: item for item in collections}

    def get(self, collection: str) -> Collection | None:
        return self._collections.get(collection)

    def all(self) -> list[Collection]:
        return sorted(self._collections.values(), key=lambda item: item.id)


# ------------------------------------------------------------------------------------------- random expressions

_TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
_WHOLE = st.integers(-(2**63), 2**63 - 1)
_NUMBERS = _WHOLE | st.floats(allow_nan=False, allow_infinity=False).map(
    lambda value: int(value) if value.is_integer() and abs(value) < 2**53 else value
)
_LITERALS = {
    FieldType.TEXT: _TEXTS,
    FieldType.INTEGER: _WHOLE | st.floats(-1e6, 1e6).filter(lambda value: not value.is_integer()),
    FieldType.DECIMAL: _NUMBERS,
    FieldType.DOUBLE: _NUMBERS,
    FieldType.DATE: st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    FieldType.BOOLEAN: st.booleans(),
}
_FIELDS = st.sampled_from(PARCELS.fields)
_NUMERIC = [field.name for field in PARCELS.fields if field.type in (FieldType.DECIMAL, FieldType.DOUBLE)]


@st.composite
def _leaf(draw: st.DrawFn) -> Expression:
    field, kind = draw(_FIELDS), draw(st.integers(0, 6))
    literal = _LITERALS[field.type]
    if kind == 0:
        return Compare(field.name, draw(st.sampled_from(Comparison)), draw(literal))
    if kind == 1:
        return Between(field.name, draw(literal), draw(literal))
    if kind == 2:
        return In(field.name, tuple(draw(st.lists(literal, min_size=1, max_size=5))))
    if kind == 3:
        return Like(draw(st.sampled_from(["BSM", "DLBM", "备注", "in"])), draw(_TEXTS))
    if kind == 4:
        one, other = draw(st.sampled_from(_NUMERIC)), draw(st.sampled_from(_NUMERIC))
        return CompareFields(one, draw(st.sampled_from(Comparison)), other)
    if kind == 5:
        return Always(draw(st.booleans()))
    return IsNull(field.name)


def trees(leaves: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    """Return random trees over leaves; junctions have two parts or more."""

    def grow(smaller: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        parts = st.lists(smaller, min_size=2, max_size=4).map(tuple)
        return parts.map(And) | parts.map(Or) | smaller.map(Not)

    return st.recursive(leaves, grow, max_leaves=12)


EXPRESSIONS = trees(_leaf())
"""Random expressions over PARCELS, without geometries."""


@st.composite
def boxes(draw: st.DrawFn) -> shapely.Polygon:
    """Draw a small rectangle on a grid, so that touching is frequent."""
    x, y = draw(st.integers(0, 12)), draw(st.integers(0, 12))
    width, height = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    return shapely.box(100 + x / 4, 30 + y / 4, 100 + (x + width) / 4, 30 + (y + height) / 4)


SPATIAL = st.builds(
    lambda relation, box: Spatial(relation, shapely.to_wkb(box)), st.sampled_from(SpatialRelation), boxes()
)
"""Random spatial leaves."""
