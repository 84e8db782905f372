"""The tree of the country as ids, and the directory that its nodes see: evenly spread, one dataset a node."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import shapely

from guotu.model.collection import Collection, Family, Field, FieldType, GeometryType
from guotu.model.division import NATION
from guotu.model.ports import DirectoryView
from guotu.model.records import DatasetRecord, Extent, NodeRecord

PARCELS = Collection(
    id="parcels",
    family=Family.STATUS,
    title="图斑",
    title_en="parcels",
    geometry=GeometryType.POLYGON,
    key="BSM",
    fields=(
        Field("BSM", "标识码", FieldType.TEXT, length=18, nullable=False),
        Field("DLBM", "地类编码", FieldType.TEXT, length=5),
        Field("TBMJ", "图斑面积", FieldType.DECIMAL, width=15, decimals=2, unit="m²"),
    ),
)
_BOX = (103.0, 30.0, 104.0, 31.0)


@dataclass(frozen=True, slots=True)
class Shape:
    """How many members stand on each level below the nation."""

    provinces: int
    prefectures: int = 0
    counties: int = 0

    @property
    def members(self) -> int:
        """All of them, the nation included."""
        return 1 + self.provinces + self.prefectures + self.counties

    def tree(self) -> list[str]:
        """Return the ids of a tree, the nation first: prefectures and counties in turn below those above."""
        provinces = [f"{11 + place}0000" for place in range(self.provinces)]
        prefectures = [
            f"{provinces[place % self.provinces][:2]}{1 + place // self.provinces:02d}00"
            for place in range(self.prefectures)
        ]
        counties = [
            f"{prefectures[place % self.prefectures][:4]}{1 + place // self.prefectures:02d}"
            for place in range(self.counties)
        ]
        return [NATION, *provinces, *prefectures, *counties]

    def flat(self) -> list[str]:
        """Return as many ids, all of which stand directly below the nation."""
        return [NATION, *(f"{NATION}-m{place:04d}" for place in range(1, self.members))]


def directory(addresses: Mapping[str, str], rows: int) -> DirectoryView:
    """Return the directory of nodes at "host:port", each with a dataset of so many rows, as a registry shows it."""
    nodes = {node: NodeRecord(node, node, address, instance=node) for node, address in addresses.items()}
    datasets = {record.dataset: record for record in datasets_of(list(addresses), rows)}
    return DirectoryView(nodes, {PARCELS.id: datasets}, {}, stale=False, as_of_ms=1_790_000_000_000)


def datasets_of(nodes: Sequence[str], rows: int) -> list[DatasetRecord]:
    """Return the records of the nodes' datasets."""
    coverage = shapely.to_wkb(shapely.box(*_BOX))
    return [
        DatasetRecord(
            dataset=f"{node}/{PARCELS.id}",
            collection=PARCELS.id,
            node=node,
            version=1,
            rows=rows,
            extent=Extent(*_BOX),
            coverage_wkb=coverage,
            territory_m2=1e10,
            manifest=hashlib.sha256(node.encode()).hexdigest(),
            digest=hashlib.sha256(f"{node} rows".encode()).hexdigest(),
            published_ms=1_790_000_000_000,
        )
        for node in nodes
    ]
