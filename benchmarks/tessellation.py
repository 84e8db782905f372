"""Shared-edge partition of one county into a stated number of irregular polygons."""

import numpy as np
import shapely

from benchmarks.lattice import Geometries, Ints, Lattice, Mask

_SURPLUS = 1.15  # cells cut per parcel wanted; the surplus is joined away, which varies the sizes
_FINER = 1.25
_SLIVER = 0.2  # clipped pieces below this share of a mean parcel join a neighbour
_DUST = 1e-14  # square degrees (about 1e-4 m²): what rounding leaves where a corner was only touched
_DECIMALS = 9


def tessellate(county: shapely.Geometry, count: int, rng: np.random.Generator) -> Geometries:
    """Cut `county` (Polygon or MultiPolygon, degrees, lon/lat) into `count` polygons.

    The polygons cover the county, do not overlap, and neighbours repeat the same vertices along their
    common border; coordinates are multiples of 1e-9 degree. Polygons inside the county have 8 to 60
    vertices; those on its border carry the vertices of the border too. Rings are counter-clockwise.
    There is at least one polygon per part of the county, even when `count` is lower.
    """
    if count <= shapely.get_num_geometries(county):
        return _polygons(np.array([county], dtype=object))
    surplus = _SURPLUS
    while True:
        pieces = _cut(county, count, surplus, rng)
        if len(pieces) >= count:
            return _reduce(pieces, count)
        surplus *= _FINER


def _cut(county: shapely.Geometry, count: int, surplus: float, rng: np.random.Generator) -> Geometries:
    """Clipped border cells, whole cells and joined pairs: `count`, unless there are too few of one kind."""
    parcel = float(shapely.area(county)) / count
    lattice = Lattice.over(np.array(shapely.bounds(county)), parcel / surplus, rng)
    inside, unsure = _classify(county, lattice.boxes())
    edges = lattice.trace(np.flatnonzero(inside | unsure), rng.uniform(0.15, 0.4), rng)
    border = np.flatnonzero(unsure)
    cells = edges.polygons(lattice.sides(border))
    inside[border], crossing = _classify(county, cells)
    clipped = _clip(cells[crossing], county)
    clipped = _absorb(clipped, shapely.area(clipped) < _SLIVER * parcel, len(clipped))
    pairs = lattice.pairs(inside, max(0, int(inside.sum()) + len(clipped) - count), rng)
    inside[pairs.ravel()] = False
    alone = edges.polygons(lattice.sides(np.flatnonzero(inside)))
    return np.concatenate([alone, edges.polygons(lattice.joined(pairs)), clipped])


def _classify(county: shapely.Geometry, shapes: Geometries) -> tuple[Mask, Mask]:
    """Masks of the shapes inside the county and of those on its border."""
    shapely.prepare(county)
    near = shapely.intersects(county, shapes)
    inside = near.copy()
    inside[near] = shapely.contains_properly(county, shapes[near])
    return inside, near & ~inside


def _clip(cells: Geometries, county: shapely.Geometry) -> Geometries:
    """Parts of `cells` in the county, on the coordinate grid of the lattice."""
    pieces = _polygons(shapely.intersection(cells, county))
    pieces = shapely.transform(pieces, lambda points: np.round(points, _DECIMALS))
    broken = ~shapely.is_valid(pieces)
    repaired = np.concatenate([pieces[~broken], _polygons(shapely.make_valid(pieces[broken]))])
    kept: Geometries = repaired[shapely.area(repaired) > _DUST]
    return kept


def _reduce(pieces: Geometries, count: int) -> Geometries:
    """Join the smallest pieces to neighbours until `count` are left."""
    while len(pieces) > count:
        joined = _absorb(pieces, np.ones(len(pieces), bool), len(pieces) - count)
        if len(joined) == len(pieces):
            break
        pieces = joined
    return pieces


def _absorb(pieces: Geometries, small: Mask, limit: int) -> Geometries:
    """Join up to `limit` of the `small` pieces, smallest first, each to the larger one it borders most."""
    rank = np.empty(len(pieces), np.int64)
    rank[np.argsort(shapely.area(pieces), kind="stable")] = np.arange(len(pieces))
    source, other = shapely.STRtree(pieces).query(pieces[small], predicate="intersects")
    source = np.flatnonzero(small)[source]
    source, other = source[rank[other] > rank[source]], other[rank[other] > rank[source]]
    rings = shapely.boundary(pieces[source]), shapely.boundary(pieces[other])
    shared = shapely.length(shapely.intersection(*rings))
    source, other, shared = source[shared > 0], other[shared > 0], shared[shared > 0]
    best = np.lexsort((other, shared, rank[source]))
    best = best[np.append(source[best][1:] != source[best][:-1], True)] if len(best) else best
    target = np.arange(len(pieces))
    target[source[best][:limit]] = other[best][:limit]
    while (target[target] != target).any():
        target = target[target]
    return _unite(pieces, target)


def _unite(pieces: Geometries, group: Ints) -> Geometries:
    """Union of pieces by group label, in label order."""
    _, label, size = np.unique(group, return_inverse=True, return_counts=True)
    order = np.argsort(label, kind="stable")
    place = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    united: Geometries = pieces[order][place == 0]
    several = np.flatnonzero(size > 1)
    if len(several):
        table = np.full((len(size), size.max()), None, dtype=object)
        table[label[order], place] = pieces[order]
        united[several] = shapely.orient_polygons(shapely.union_all(table[several], axis=1))
    return united


def _polygons(geometries: Geometries) -> Geometries:
    """The polygons that `geometries` consist of, counter-clockwise; points and lines are dropped."""
    parts = shapely.get_parts(geometries)
    areal = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    oriented: Geometries = shapely.orient_polygons(areal)
    return oriented
