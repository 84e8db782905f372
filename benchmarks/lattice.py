"""Jittered, warped lattice whose cells share wavy edges: the raw material of synthetic parcels."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Geometries = NDArray[np.object_]

# Two edges that meet enclose at least 31° (jitter below), and an edge strays from its chord by at most
# 9.6° (bulge): they cannot cross, and the warp, being the same for both, cannot make them.
_JITTER = 0.18  # corners move by up to this share of a cell, along each axis
_BULGE = 0.17  # an edge strays from its chord by up to this share of the distance to its nearer end
_REACH = 0.22  # bound on how far an edge strays from the box around its cell's corners, in warped cells
_MARGIN = 3  # cells around the extent, so that the warp never uncovers it
_WAVES = 4
_STRAIN = 0.4  # bound on the gradient of the warp; below 1 it stays one-to-one
_INNER = 8  # an edge has 1 to 1 + _INNER vertices between its ends
_DECIMALS = 9  # of a degree: about 0.1 mm


@dataclass(frozen=True)
class Warp:
    """A smooth one-to-one map from cell coordinates to degrees (lon/lat)."""

    waves: Floats
    """(k, 5): wave vector x, y (radians per cell), phase (radians), displacement x, y (cells)."""
    origin: Floats
    step: Floats

    @classmethod
    def random(cls, origin: Floats, step: Floats, rng: np.random.Generator) -> Self:
        """Draw waves 8 to 30 cells long whose gradients add up to the permitted strain at most."""
        length, heading, phase, push = rng.random((4, _WAVES)) * np.array([[22.0], [np.pi], [6.3], [6.3]])
        number = 2 * np.pi / (8.0 + length)
        size = _STRAIN / _WAVES / number
        waves = [number * np.cos(heading), number * np.sin(heading), phase]
        return cls(np.stack([*waves, size * np.cos(push), size * np.sin(push)], axis=1), origin, step)

    def __call__(self, cells: Floats) -> Floats:
        """Map (n, 2) cell coordinates to degrees, rounded so that every user of a vertex sees one value."""
        moved = cells.copy()
        for wave in self.waves:
            moved += np.sin(cells @ wave[:2] + wave[2])[:, None] * wave[3:]
        return np.round(self.origin + moved * self.step, _DECIMALS)


@dataclass(frozen=True)
class Edges:
    """Polylines between lattice corners, ends included; `starts` and `counts` are by edge number."""

    starts: Ints
    counts: Ints
    """Vertices of an edge without its last one."""
    points: Floats

    def polygons(self, sides: Ints) -> Geometries:
        """Build polygons from (k, w) edge numbers in ring order; `~number` runs an edge backwards."""
        edge = np.where(sides < 0, ~sides, sides)
        first = self.starts[edge] + np.where(sides < 0, self.counts[edge], 0)
        count = np.concatenate([self.counts[edge], np.ones((len(sides), 1), np.int64)], axis=1)
        first = np.concatenate([first, first[:, :1]], axis=1).ravel()
        step = np.where(np.pad(sides, ((0, 0), (0, 1))) < 0, -1, 1).ravel()
        flat = count.ravel()
        within = np.arange(flat.sum()) - np.repeat(np.cumsum(flat) - flat, flat)
        points = self.points[np.repeat(first, flat) + np.repeat(step, flat) * within]
        offsets = np.concatenate([[0], np.cumsum(count.sum(axis=1))])
        rings = np.arange(len(sides) + 1)
        built: Geometries = shapely.from_ragged_array(shapely.GeometryType.POLYGON, points, (offsets, rings))
        return built


@dataclass(frozen=True)
class Lattice:
    """Cells `row * nx + column` between jittered corners; rows go north, columns east."""

    corners: Floats
    """(ny + 1, nx + 1, 2) in cell coordinates."""
    warp: Warp

    @classmethod
    def over(cls, bounds: Floats, cell: float, rng: np.random.Generator) -> Self:
        """Cover `bounds` (west, south, east, north; degrees) with cells of about `cell` square degrees."""
        squash = np.cos(np.radians((bounds[1] + bounds[3]) / 2))
        north = np.sqrt(cell * squash)
        step = np.array([cell / north, north])
        nx, ny = np.ceil((bounds[2:] - bounds[:2]) / step).astype(int) + 2 * _MARGIN
        grid = np.stack(np.meshgrid(np.arange(nx + 1.0), np.arange(ny + 1.0)), axis=-1)
        corners = grid + rng.uniform(-_JITTER, _JITTER, grid.shape)
        return cls(corners, Warp.random(bounds[:2] - (_MARGIN - rng.random(2) / 2) * step, step, rng))

    @property
    def nx(self) -> int:
        """Number of columns."""
        return int(self.corners.shape[1]) - 1

    @property
    def ny(self) -> int:
        """Number of rows."""
        return int(self.corners.shape[0]) - 1

    def boxes(self) -> Geometries:
        """One box per cell, in cell order, that its polygon cannot leave."""
        at = self.warp(self.corners.reshape(-1, 2)).reshape(self.corners.shape)
        ends = np.stack([at[:-1, :-1], at[:-1, 1:], at[1:, :-1], at[1:, 1:]])
        low = (ends.min(axis=0) - _REACH * self.warp.step).reshape(-1, 2)
        high = (ends.max(axis=0) + _REACH * self.warp.step).reshape(-1, 2)
        built: Geometries = shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])
        return built

    def sides(self, cells: Ints) -> Ints:
        """(k, 4) edges of cells, counter-clockwise from the south: first all rows of edges, then columns."""
        row, column = np.divmod(cells, self.nx)
        south = cells
        west = (self.ny + 1) * self.nx + row * (self.nx + 1) + column
        return np.stack([south, west + 1, ~(south + self.nx), ~west], axis=1)

    def joined(self, pairs: Ints) -> Ints:
        """(k, 6) outer edges of (k, 2) neighbours: west and east, or south and north."""
        a, b = self.sides(pairs[:, 0]).T, self.sides(pairs[:, 1]).T
        beside = np.stack([a[0], b[0], b[1], b[2], a[2], a[3]], axis=1)
        above = np.stack([a[0], a[1], b[1], b[2], b[3], a[3]], axis=1)
        return np.where((pairs[:, 1] - pairs[:, 0] == 1)[:, None], beside, above)

    def pairs(self, free: Mask, count: int, rng: np.random.Generator) -> Ints:
        """Up to `count` (k, 2) random disjoint pairs of neighbours among `free` cells (mask by cell)."""
        row, column = np.divmod(np.flatnonzero(free), self.nx)
        shift = rng.integers(0, 2, 2)
        block = (row + shift[0]) // 2 * (self.nx + 1) + (column + shift[1]) // 2
        flat = (rng.random((self.ny + 1) * (self.nx + 1)) < 0.5)[block]
        leads = np.where(flat, (column + shift[1]) % 2 == 0, (row + shift[0]) % 2 == 0)
        first = np.flatnonzero(free)[leads]
        second = first + np.where(flat[leads], 1, self.nx)
        both = np.flatnonzero(np.append(free, np.zeros(self.nx, bool))[second])
        chosen = rng.permutation(both)[:count]
        return np.stack([first[chosen], second[chosen]], axis=1)

    def trace(self, cells: Ints, richness: float, rng: np.random.Generator) -> Edges:
        """Draw the edges of `cells`; `richness` in 0..1 is the share of possible vertices they get."""
        sides = self.sides(cells)
        used = np.unique(np.where(sides < 0, ~sides, sides))
        segments = 1 + 1 + rng.binomial(_INNER, richness, len(used))
        size = (self.ny + 1) * self.nx + self.ny * (self.nx + 1)
        starts, counts = np.zeros(size, np.int64), np.zeros(size, np.int64)
        starts[used] = np.cumsum(segments + 1) - segments - 1
        counts[used] = segments
        start, end = self._ends(used)
        each = np.repeat(np.arange(len(used)), segments + 1)
        place = np.arange(len(each)) - starts[used][each]
        along, aside = _wander(place, segments[each], rng.random((2, len(used)))[:, each], rng)
        chord = (end - start)[each]
        points = (1 - along)[:, None] * start[each] + along[:, None] * end[each]
        points += aside[:, None] * chord[:, ::-1] * np.array([-1.0, 1.0])
        return Edges(starts, counts, self.warp(points))

    def _ends(self, edges: Ints) -> tuple[Floats, Floats]:
        """First and last corner of edges, in cell coordinates."""
        upright = edges - (self.ny + 1) * self.nx
        rows = np.stack(np.divmod(edges, self.nx))
        columns = np.stack(np.divmod(upright, self.nx + 1))
        flat = upright < 0
        row, column = np.where(flat, rows, columns)
        return self.corners[row, column], self.corners[row + ~flat, column + flat]


def _wander(place: Ints, last: Ints, waves: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Position along the chord (0..1, rising) and offset aside (in chords) of the vertices of edges."""
    nudge = np.where((place == 0) | (place == last), 0.0, rng.uniform(-0.35, 0.35, len(place)))
    along = (place + nudge) / last
    turn = np.sin(2 * np.pi * ((0.4 + waves[0]) * along + waves[1]))
    rough = rng.uniform(-0.4, 0.4, len(place))
    return along, _BULGE * np.minimum(along, 1 - along) * (0.6 * turn + rough)
