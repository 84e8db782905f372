"""A mesh of the target size as registry records: 1 nation, 31 provinces, 333 prefectures, 2,850 counties."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from guotu.model.coverage import CoverageBuilder
from guotu.model.records import DatasetRecord, Extent, NodeRecord
from registry.gazetteer import Gazetteer, GazetteerEntry

LEVELS = {"nation": 1, "province": 31, "prefecture": 333, "county": 2850}
_SHAPES = 48
_BOXES = 6_000
_CELL = 0.01
_RING_HEADER = struct.Struct("<BIII")


@dataclass(frozen=True, slots=True)
class _Shape:
    """A coverage's outline in cells of 0.01 degrees from its south-west corner."""

    cells: NDArray[np.int64]
    territory_m2: float


class Mesh:
    """Makes the records; the same seed makes the same ones."""

    def __init__(self, collections: int, share: float = 1.0, seed: int = 7) -> None:
        """Take how many collections every node holds, and the share of nodes per level (1: the whole country)."""
        self._random = np.random.default_rng(seed)
        self._shapes = [self._shape() for _ in range(_SHAPES)]
        self.collections = [f"layer_{number:02d}" for number in range(collections)]
        self.divisions = _divisions(share)

    def node(self, entry: GazetteerEntry) -> NodeRecord:
        """Return a node's record."""
        code = int(entry.code[:6])
        address = f"10.{code // 10000}.{code // 100 % 100}.{code % 100}:7000"
        instance = hashlib.blake2b(entry.code.encode(), digest_size=16)
        return NodeRecord(
            node=entry.code,
            name=entry.name,
            address=address,
            instance=instance.hexdigest(),
            software="0.1.0",
            started_ms=1_790_000_000_000,
            public_key=instance.digest() * 2,
        )

    def datasets(self, entry: GazetteerEntry, version: int = 1) -> Iterator[DatasetRecord]:
        """Yield the records of a node's datasets: coverages of many shapes, placed near its division."""
        for collection in self.collections:
            shape = self._shapes[int(self._random.integers(_SHAPES))]
            corner = np.floor(np.array(entry.bounds[:2]) / _CELL).astype(np.int64) + self._random.integers(0, 9, 2)
            coordinates = (shape.cells + corner) / 100.0
            name = f"{entry.code}/{collection}@{version}"
            yield DatasetRecord(
                dataset=f"{entry.code}/{collection}",
                collection=collection,
                node=entry.code,
                version=version,
                rows=int(self._random.integers(1_000, 500_000)),
                extent=Extent(*coordinates.min(axis=0).tolist(), *coordinates.max(axis=0).tolist()),
                coverage_wkb=_RING_HEADER.pack(1, 3, 1, len(coordinates)) + coordinates.tobytes(),
                territory_m2=shape.territory_m2,
                manifest=hashlib.sha256(name.encode()).hexdigest(),
                digest=hashlib.sha256(f"{name} rows".encode()).hexdigest(),
                published_ms=1_790_000_000_000 + version,
            )

    def _shape(self) -> _Shape:
        """Draw a county-like blob, fill it with features, and cover them as a publish does."""
        size = self._random.uniform(0.2, 1.2)
        points = self._random.uniform(0, size, (2, _BOXES))
        offset = points / size - 0.5
        angle = np.arctan2(offset[1], offset[0])
        waves = self._random.uniform(0, 6, 6)
        reach = 0.38 + sum(0.05 / (k + 1) * np.sin((k + 2) * angle + waves[k]) for k in range(6))
        x, y = points[:, np.hypot(*offset) < reach * self._random.choice([1.0, 1.0, 0.5])]
        builder = CoverageBuilder()
        builder.add(x, y, x + 0.004, y + 0.004)
        polygon = builder.polygon()
        whole = max(getattr(polygon, "geoms", [polygon]), key=shapely.area)
        cells = np.rint(shapely.get_coordinates(shapely.Polygon(whole.exterior)) * 100).astype(np.int64)
        return _Shape(cells, float(shapely.area(whole)) * 1e10)


def _divisions(share: float) -> list[GazetteerEntry]:
    """Return the divisions that have a node, the nation first; no level is left without any."""
    gazetteer = Gazetteer.load()
    by_level: dict[str, list[GazetteerEntry]] = {level: [] for level in LEVELS}
    pending = ["100000"]
    while pending:
        code = pending.pop(0)
        entry = gazetteer.get(code)
        if entry is not None:
            by_level[entry.level].append(entry)
        pending += [child.code for child in gazetteer.children(code)]
    counts = {level: max(1, round(count * share)) for level, count in LEVELS.items()}
    return [entry for level, entries in by_level.items() for entry in entries[: counts[level]]]
