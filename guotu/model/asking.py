"""Parts of questions, made of what people write: names, numbers, shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import shapely

from guotu.model.division import split_dataset
from guotu.model.errors import InvalidQuestion
from guotu.model.question import (
    Aggregate,
    AggregateFunction,
    CompletenessMode,
    Options,
    Scope,
    Selection,
    SortKey,
    ZoneSource,
)
from guotu.model.records import Extent
from guotu.model.zones import Zones, zones_of


def selection(where: str, bbox: Sequence[float] | None, within: Any, division: str, boundary: str = "") -> Selection:
    """Return the selection of a question.

    Raises:
        InvalidQuestion: the bbox has not four numbers.
    """
    extent = None
    if bbox is not None:
        if len(bbox) != 4:
            raise InvalidQuestion(part="bbox", detail="xmin,ymin,xmax,ymax in degrees are needed")
        extent = Extent(*(float(value) for value in bbox))
    wkb = b"" if within is None else within if isinstance(within, bytes) else shapely.to_wkb(within)
    return Selection(filter=where, bbox=extent, within=wkb, division=division, boundary=boundary)


def sort_keys(names: Iterable[str]) -> tuple[SortKey, ...]:
    """Return sort keys of names, "-" before one for descending order."""
    return tuple(SortKey(name.removeprefix("-"), name.startswith("-")) for name in names)


def options(
    scope: str,
    partial: bool,
    cut: Mapping[str, int] | None,
    dataset: str = "",
    pins: Mapping[str, int] | None = None,
) -> Options:
    """Return the options of a question, whose answer shall have a receipt.

    `cut` is whole, if it names anything; `pins` name single versions, beside it or beside the heads.
    """
    mode = CompletenessMode.ALLOW_PARTIAL if partial else CompletenessMode.REQUIRE_ALL
    versions = {**(cut or {}), **(pins or {})}
    return Options(Scope(scope), mode, versions, dataset, closed=bool(cut), receipt=True)


def pin(dataset: str, version: int) -> Mapping[str, int]:
    """Return the version of the one dataset asked as a pin; none for version 0.

    Raises:
        InvalidQuestion: a version is given without its dataset.
    """
    if version and not dataset:
        raise InvalidQuestion(part="version", detail=f"{version}: 须指明数据集 the dataset must be named with it")
    return {dataset: version} if version else {}


def aggregates(
    count: Sequence[str] | bool,
    sum: Sequence[str],
    min: Sequence[str],
    max: Sequence[str],
    avg: Sequence[str],
) -> tuple[Aggregate, ...]:
    """Return aggregate columns named after function and field; the count of rows if nothing is asked."""
    wanted: list[Aggregate] = []
    if count is True or not (count or sum or min or max or avg):
        wanted.append(Aggregate(AggregateFunction.COUNT, "", "count"))
    fields = {
        AggregateFunction.COUNT: () if isinstance(count, bool) else count,
        AggregateFunction.SUM: sum,
        AggregateFunction.MIN: min,
        AggregateFunction.MAX: max,
        AggregateFunction.AVG: avg,
    }
    for function, names in fields.items():
        wanted.extend(Aggregate(function, name, f"{function}_{name}") for name in names)
    return tuple(wanted)


def named_zones(shapes: Any, names: Iterable[object] | None) -> Zones:
    """Return zones of shapely polygons or multipolygons (EPSG:4490, lon/lat); without names "1", "2" and so on.

    Raises:
        InvalidQuestion: names or shapes have faults; all are told.
        TooLarge: there are too many.
    """
    given = np.atleast_1d(np.asarray(shapes, dtype=object))
    named = [str(name) for name in (range(1, len(given) + 1) if names is None else names)]
    if len(named) != len(given):
        raise InvalidQuestion(part="names", detail=f"{len(given)} 个分区 zones, {len(named)} 个名称 names")
    return zones_of(named, given)


def zone_source(name: str, group_by: Iterable[str], where: str) -> ZoneSource:
    """Return zones that are the features of a collection, or of one dataset ("510000/yjjbnt").

    Raises:
        InvalidQuestion: the dataset's name is none.
    """
    try:
        collection = split_dataset(name)[1] if "/" in name else name
    except ValueError as failure:
        raise InvalidQuestion(part="zones", detail=str(failure)) from failure
    return ZoneSource(collection, tuple(group_by), where, name if "/" in name else "")
