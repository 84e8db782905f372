"""What owners publish: every row and every layer follows from the seed, so that an answer can be judged anywhere."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
import pyarrow as pa
import shapely

from guotu.model.area import ellipsoidal_area_m2
from tests.robustness.mesh.family import COLLECTION, NODES, NUMBER

CLASSES = ("0101", "0102", "0103")
COLUMNS = 20
"""Plots in a line of a node's field."""
STEP = 0.002
"""Degrees from plot to plot."""
CATALOGUE = f"""
edition = "1"
title = "试验目录"
[[code_lists]]
id = "dl"
title = "地类"
codes = {{ "0101" = "水田", "0102" = "水浇地", "0103" = "旱地" }}
[[collections]]
id = "{COLLECTION}"
family = "status"
title = "试验图斑"
title_en = "Plots"
geometry = "polygon"
key = "BSM"
division_field = "ZLDWDM"
fields = [
  {{ name = "BSM", title = "标识码", type = "text", length = 18, nullable = false }},
  {{ name = "DLBM", title = "地类编码", type = "text", length = 4, nullable = false, codes = "dl" }},
  {{ name = "ZLDWDM", title = "坐落单位代码", type = "text", length = 12, nullable = false }},
  {{ name = "MJ", title = "面积", type = "decimal", width = 12, decimals = 2, nullable = false }},
  {{ name = "PC", title = "批次", type = "integer", nullable = false }},
]
"""
FIELDS = ("BSM", "DLBM", "ZLDWDM", "MJ", "PC")
_FIRST, _CHANGED, _GONE, _NEW = 60, 6, 2, 2

Layer = dict[int, int]
"""A layer: the attempt in which each plot was last written, by the plot's number."""


@dataclass(frozen=True)
class Plot:
    """One row as an owner writes it in one attempt."""

    node: str
    number: int
    attempt: int

    @cached_property
    def _luck(self) -> int:
        return zlib.crc32(f"{self.node}/{self.number}/{self.attempt}".encode())

    @cached_property
    def key(self) -> str:
        """Return the value of BSM."""
        return f"{NUMBER[self.node]:06d}{self.number:012d}"

    @property
    def land_class(self) -> str:
        """Return the value of DLBM."""
        return CLASSES[self._luck % 3]

    @cached_property
    def size(self) -> Decimal:
        """Return the value of MJ."""
        return Decimal(self._luck // 3 % 100_000) / 100

    @property
    def column(self) -> int:
        """Return in which column of the field it lies."""
        return self.number % COLUMNS

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Return its place: xmin, ymin, xmax, ymax in degrees, EPSG:4490."""
        west, south = corner(self.node)
        west, south = west + self.column * STEP, south + self.number // COLUMNS * STEP
        side = 0.001 + 0.0001 * (self._luck // 7 % 8)
        return west, south, west + side, south + side

    @property
    def values(self) -> tuple[str, str, str, float, int]:
        """Return the values of FIELDS."""
        return self.key, self.land_class, f"{self.node}000000", float(self.size), self.attempt


def corner(node: str) -> tuple[float, float]:
    """Return the south-west corner of a node's field; fields lie apart."""
    return 98.0 + 0.5 * NUMBER[node], 28.0


def areas_m2(plots: Sequence[Plot]) -> list[Decimal]:
    """Return the ellipsoidal area of each plot, half up to 0.0001 m²."""
    boxes = np.array([plot.box for plot in plots]).reshape(-1, 4)
    found = ellipsoidal_area_m2(shapely.box(*boxes.T))
    return [Decimal(int(np.floor(area * 10_000 + 0.5))) / 10_000 for area in found]


class Contents:
    """All layers that a seed has owners publish, one an attempt; attempts count from 1."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._layers: dict[str, list[Layer]] = {node: [] for node in NODES}
        self._plots: dict[tuple[str, int], list[Plot]] = {}

    def layer(self, node: str, attempt: int) -> Layer:
        """Return what an attempt publishes; an empty layer for attempt 0."""
        if attempt == 0:
            return {}
        layers = self._layers[node]
        while len(layers) < attempt:
            layers.append(self._next(node, len(layers) + 1, layers[-1] if layers else None))
        return layers[attempt - 1]

    def plots(self, node: str, attempt: int) -> list[Plot]:
        """Return the rows of a layer, by key."""
        if (node, attempt) not in self._plots:
            layer = sorted(self.layer(node, attempt).items())
            self._plots[node, attempt] = [Plot(node, number, written) for number, written in layer]
        return self._plots[node, attempt]

    def _next(self, node: str, attempt: int, before: Layer | None) -> Layer:
        if before is None:
            return dict.fromkeys(range(_FIRST), 1)
        luck = random.Random(f"{self._seed}/{node}/{attempt}")
        chosen = luck.sample(sorted(before), _CHANGED + _GONE)
        layer = before | dict.fromkeys(chosen[:_CHANGED], attempt)
        for number in chosen[_CHANGED:]:
            del layer[number]
        free = [number for number in range(2 * _FIRST) if number not in before]
        return layer | dict.fromkeys(luck.sample(free, _NEW), attempt)


def batch_of(plots: list[Plot]) -> pa.RecordBatch:
    """Return rows as a publish sends them."""
    columns = list(zip(*(plot.values for plot in plots), strict=True)) if plots else [[]] * len(FIELDS)
    kinds = (pa.string(), pa.string(), pa.string(), pa.float64(), pa.int64())
    shapes = [shapely.box(*plot.box).wkb for plot in plots]
    arrays = [pa.array(list(values), kind) for values, kind in zip(columns, kinds, strict=True)]
    return pa.RecordBatch.from_arrays([*arrays, pa.array(shapes, pa.binary())], [*FIELDS, "geometry"])


def plots_of(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Plot | None, str]]:
    """Yield which plot each row of an answer is; None and the row's text if its values are not that plot's."""
    for batch in batches:
        names = [name for name in FIELDS if name in batch.schema.names]
        values = zip(*(batch.column(name).to_pylist() for name in names), strict=True)
        boxes = shapely.bounds(shapely.from_wkb(batch.column("geometry").to_pylist())).tolist()
        for row, box in zip(values, boxes, strict=True):
            plot = _plot_of(str(row[0]), int(row[-1]))
            right = plot is not None and row == plot.values and tuple(box) == plot.box
            yield (plot, "") if right else (None, f"{row} {box}")


def _plot_of(key: str, attempt: int) -> Plot | None:
    if len(key) != 18 or not key.isdigit() or int(key[:6]) >= len(NODES):
        return None
    return Plot(NODES[int(key[:6])], int(key[6:]), attempt)
