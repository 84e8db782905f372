"""The questions that are asked, and what each must have for an answer, by plain means."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import shapely

from guotu.model.asking import aggregates, options, selection, sort_keys
from guotu.model.question import Overlay, Query, Question, Stats
from guotu.model.zones import zones_of
from tests.robustness.mesh.contents import COLUMNS, STEP, Plot, areas_m2, corner
from tests.robustness.mesh.family import COLLECTION, NODES

HALF = COLUMNS // 2
Row = list[Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of question about `subject`, a node whose field is looked at where the kind looks at one."""

    name: str
    ask: Callable[[str, dict[str, Any]], Question]
    answer: Callable[[Sequence[Plot], str], list[Row]]
    """The rows that some plots give for the same subject, in order where it is in ORDERED."""
    merged: bool
    """Whether rows of members are merged, so that those of a lost one are not told apart."""
    limit: int = 0


def row_of(plot: Plot) -> Row:
    """Return how a row of a retrieval is written down."""
    return [plot.node, plot.number, plot.attempt]


def _rows(plots: Iterable[Plot]) -> list[Row]:
    return sorted(map(row_of, plots))


def _query(**parts: Any) -> Callable[[str, dict[str, Any]], Question]:
    return lambda subject, given: Query(
        COLLECTION,
        selection(parts.get("where", ""), _window(subject) if "window" in parts else None, None, ""),
        sort=sort_keys(parts.get("sort", ())),
        limit=parts.get("limit", 0),
        options=options(**given),
    )


def _stats(*groups: str) -> Callable[[str, dict[str, Any]], Question]:
    return lambda subject, given: Stats(
        COLLECTION, aggregates(True, ("MJ",), (), ("PC",), ()), groups, selection("", None, None, ""), options(**given)
    )


def _window(subject: str) -> tuple[float, float, float, float]:
    """Return the western half of a node's field, with the whole of its plots."""
    west, south = corner(subject)
    return west - STEP / 4, south - STEP / 4, west + HALF * STEP - STEP / 10, south + 1.0


def _overlay(subject: str, given: dict[str, Any]) -> Question:
    names = list(dict.fromkeys((subject, NODES[0])))
    zones = zones_of(names, shapely.box(*np.array([_window(name) for name in names]).T))
    return Overlay(COLLECTION, zones, ("DLBM",), selection("", None, None, ""), shares=False, options=options(**given))


def _by_class(plots: Sequence[Plot]) -> list[Row]:
    return _grouped(plots, lambda plot: plot.land_class)


def _grouped(plots: Sequence[Plot], group: Callable[[Plot], str]) -> list[Row]:
    groups: dict[str, list[Plot]] = defaultdict(list)
    for plot in plots:
        groups[group(plot)].append(plot)
    return [
        [name, len(found), str(sum((plot.size for plot in found), Decimal(0))), max(plot.attempt for plot in found)]
        for name, found in sorted(groups.items())
    ]


def _counted(plots: Sequence[Plot], subject: str) -> list[Row]:
    if not plots:
        return [[0, None, None]]
    return [row[1:] for row in _grouped(plots, lambda plot: "")]


def _laid_over(plots: Sequence[Plot], subject: str) -> list[Row]:
    rows = []
    for zone in dict.fromkeys((subject, NODES[0])):
        inside = [plot for plot in plots if plot.node == zone and plot.column < HALF]
        groups: dict[str, list[Decimal]] = defaultdict(list)
        for plot, area in zip(inside, areas_m2(inside), strict=True):
            groups[plot.land_class].append(area)
        rows += [[zone, name, len(areas), f"{sum(areas):.4f}"] for name, areas in sorted(groups.items())]
    return rows


def _largest(plots: Sequence[Plot]) -> list[Row]:
    return list(map(row_of, sorted(plots, key=lambda plot: (-plot.size, plot.key))))


LIMIT = 25
KINDS = {
    kind.name: kind
    for kind in (
        Kind("all", _query(), lambda plots, _: _rows(plots), merged=False),
        Kind(
            "filter",
            _query(where="DLBM = '0102' AND MJ > 200"),
            lambda plots, _: _rows(plot for plot in plots if plot.land_class == "0102" and plot.size > 200),
            merged=False,
        ),
        Kind(
            "window",
            _query(window=True),
            lambda plots, subject: _rows(plot for plot in plots if plot.node == subject and plot.column < HALF),
            merged=False,
        ),
        Kind("sorted", _query(sort=("-MJ",)), lambda plots, _: _largest(plots), merged=False),
        Kind("top", _query(sort=("-MJ",), limit=LIMIT), lambda plots, _: _largest(plots)[:LIMIT], False, LIMIT),
        Kind("some", _query(limit=LIMIT), lambda plots, _: _rows(plots), False, LIMIT),
        Kind("count", _stats(), _counted, merged=True),
        Kind("classes", _stats("DLBM"), lambda plots, _: _by_class(plots), merged=True),
        Kind(
            "provinces",
            _stats("province"),
            lambda plots, _: _grouped(plots, lambda plot: plot.node[:2] + "0000"),
            merged=True,
        ),
        Kind("overlay", _overlay, _laid_over, merged=True),
    )
}
ORDERED = frozenset({"sorted", "top"})
CHOSEN = frozenset({"some"})
"""Which of the rows are given, up to the limit, is the mesh's own affair, but always the same."""


def any_kind(luck: random.Random) -> Kind:
    """Return a kind by chance; those that return rows more often."""
    return KINDS[luck.choice([*KINDS, "all", "all", "sorted"])]
