"""Who owns which part of the demonstration data: each city its counties, the province the rest, the nation nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from demo.geofile import write_geofile

NATION = "100000"
NODES = {
    NATION: "全国",
    "510000": "四川省",
    "500000": "重庆市",
    "520000": "贵州省",
    "510100": "成都市",
    "510700": "绵阳市",
}
"""Nodes of the demonstration mesh by id."""
LOST = "510100"
"""The node that is taken away and comes back."""
_PREFIXES = {"5101": "510100", "5107": "510700", "50": "500000", "51": "510000", "52": "520000"}
"""Owner by the first digits of the county; the first that fits counts."""
_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Layer:
    """One file of the demonstration: the collection that it belongs to and its key column."""

    collection: str
    path: Path
    key: str


LAYERS = (
    Layer("county", _DATA / "county.parquet", "adcode"),
    Layer("landcover", _DATA / "landcover_2019.parquet", "bsm"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """What one node owns of a layer, in a file of its own."""

    node: str
    collection: str
    path: Path
    rows: int

    @property
    def dataset(self) -> str:
        """Dataset id."""
        return f"{self.node}/{self.collection}"


def owners_of(counties: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the owning node of each county code (GB/T 2260, six digits); null where there is none."""
    tests = [pc.starts_with(counties, prefix) for prefix in _PREFIXES]
    names = [f"{number}" for number in range(len(tests))]
    return pc.case_when(pc.make_struct(*tests, field_names=names), *_PREFIXES.values())


def split(layer: Layer, folder: Path) -> Iterator[Part]:
    """Write what each node owns of a layer as GeoParquet to `folder`; yield the parts by node.

    Raises:
        ValueError: a county has no owner.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = pq.read_table(layer.path)
    owners = owners_of(table["adcode"])
    if owners.null_count:
        raise ValueError(f"{layer.path.name}: {owners.null_count} rows lie in counties that no node owns")
    for node in sorted(pc.unique(owners).to_pylist()):
        mine = table.filter(pc.equal(owners, node))
        path = folder / f"{node}-{layer.collection}.parquet"
        write_geofile(mine, path, layer.key)
        yield Part(node, layer.collection, path, len(mine))
