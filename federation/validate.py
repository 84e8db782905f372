"""Questions checked against their collection and against the limits, before anybody is asked."""

from __future__ import annotations

import re

import shapely
from shapely.errors import GEOSException

from federation.execution.groups import lower
from federation.filter.literals import check_geometry
from federation.paging.order import check_order, page_order
from federation.selection import check_selection
from guotu.model.bins import HIGH, LOW, edges_of, require_ordered
from guotu.model.collection import GEOMETRY, Collection, GeometryType
from guotu.model.crs import MESH_CRS, authority_code, resolve_crs
from guotu.model.division import split_dataset
from guotu.model.errors import InvalidCrs, InvalidQuestion, TooLarge
from guotu.model.grouping import BIN, grouping_schema, require_field
from guotu.model.overlay import overlay_schema
from guotu.model.question import (
    DISTANCE,
    MAX_AGGREGATES,
    MAX_BINS,
    MAX_FIELDS,
    MAX_FILTER_BYTES,
    MAX_GROUP_COLUMNS,
    MAX_GROUPS,
    MAX_LIMIT,
    MAX_NEAREST,
    MAX_PAGE_ROWS,
    MAX_QUANTILES,
    MAX_SORT_KEYS,
    AggregateFunction,
    Bins,
    Cut,
    LayerOverlay,
    Nearest,
    Options,
    Overlay,
    Page,
    Quantiles,
    Query,
    Question,
    Stats,
)
from guotu.model.schema import columns_of
from guotu.model.surroundings import MAX_DISTANCE_M, surroundings

_ALIAS = re.compile(r"[^\W\d]\w{0,63}")


def check_query(query: Query, collection: Collection) -> None:
    """Check a retrieval.

    Raises:
        InvalidQuestion: an option is out of its bounds.
        InvalidFilter: the geometry to be near of is broken, empty, or not in degrees.
        TooLarge: it has more than MAX_FILTER_BYTES.
        UnknownField: a field does not exist.
        InvalidCrs: the CRS is not known, or has no EPSG code.
    """
    _bounded("fields", len(query.fields), MAX_FIELDS)
    _bounded("sort", len(query.sort), MAX_SORT_KEYS)
    if not 0 <= query.limit <= MAX_LIMIT:
        raise InvalidQuestion(part="limit", detail=f"须为 1 至 to {MAX_LIMIT}, 或不限 or none; not {query.limit}")
    if len(set(query.fields)) != len(query.fields):
        raise InvalidQuestion(part="fields", detail="字段重复 a field is named twice")
    sorted_by = tuple(key.field for key in query.sort)
    if GEOMETRY in sorted_by:
        raise InvalidQuestion(part="sort", detail="几何不能排序 a geometry has no order")
    columns_of(collection, (*query.fields, *sorted_by))
    if query.nearest is not None:
        _check_nearest(query.nearest, query, collection)
    check_crs(query.crs)
    check_options(query.options, collection)
    if query.page is not None:
        _check_page(query.page, query, collection)


def _check_page(page: Page, query: Query, collection: Collection) -> None:
    """A client names a size; nodes ask each other for the owners of the rows up to a limit."""
    check_order(query, collection)
    if page.owners:
        _bounded("page token between nodes", len(page.token), 0)
    elif page.after is not None or not 1 <= page.size <= MAX_PAGE_ROWS:
        raise InvalidQuestion(part="page", detail=f"须为 1 至 to {MAX_PAGE_ROWS} 行 rows, not {page.size}")
    elif query.limit:
        detail = "分页时不能限定行数 a page has a size, and no limit beside it"
        raise InvalidQuestion(part="page", detail=detail)
    if page.after is not None and len(page.after.values) != len(page_order(query, collection)):
        raise InvalidQuestion(part="page", detail="位置须与排序键一一对应 a position has one value for each sort key")


def _check_nearest(nearest: Nearest, query: Query, collection: Collection) -> None:
    if not collection.has_geometry or collection.field(DISTANCE) is not None:
        detail = f"{collection.id} 没有几何，或自有字段 has no geometry, or a field {DISTANCE} of its own"
        raise InvalidQuestion(part="nearest", detail=detail)
    if query.sort:
        raise InvalidQuestion(part="sort", detail="最近要素按距离排序 the nearest features come by their distance")
    if not 1 <= query.limit <= MAX_NEAREST:
        raise InvalidQuestion(
            part="limit", detail=f"须为 1 至 to {MAX_NEAREST} 个最近要素 nearest features, not {query.limit}"
        )
    if not 0 <= nearest.within_m <= MAX_DISTANCE_M:
        raise InvalidQuestion(
            part="nearest", detail=f"须为 0 至 to {MAX_DISTANCE_M:,.0f} 米 metres, not {nearest.within_m}"
        )
    if len(nearest.wkb) > MAX_FILTER_BYTES:
        raise TooLarge(what="nearest", size=len(nearest.wkb), limit=MAX_FILTER_BYTES)
    try:
        check_geometry(shapely.from_wkb(nearest.wkb), "nearest")
        if nearest.within_m:
            surroundings(nearest.wkb, nearest.within_m)
    except (GEOSException, ValueError) as failure:
        raise InvalidQuestion(part="nearest", detail=str(failure)) from failure


def check_stats(stats: Stats, collection: Collection) -> None:
    """Check a grouping question.

    Raises:
        InvalidQuestion: an option is out of its bounds, or a function does not suit its field.
        UnknownField: a field does not exist.
    """
    _bounded("group_by", len(stats.group_by), MAX_GROUP_COLUMNS)
    check_options(stats.options, collection)
    if stats.estimate:
        if stats.aggregates or stats.group_by or stats.bins is not None or stats.quantiles is not None or stats.top:
            raise InvalidQuestion(
                part="estimate", detail="须单独提问 it stands alone: no groups, classes or aggregates"
            )
        return
    if stats.quantiles is not None:
        _check_quantiles(stats.quantiles, stats, collection)
        return
    if not stats.aggregates:
        raise InvalidQuestion(part="aggregates", detail="至少一个 at least one is needed")
    lowered = lower(stats.aggregates)
    _bounded("aggregates (an average counts as two)", len(lowered), MAX_AGGREGATES)
    for names in ([item.alias for item in stats.aggregates], [item.alias for item in lowered]):
        columns = [*([BIN, LOW, HIGH] if stats.bins else stats.group_by), *names]
        if len(set(columns)) != len(columns):
            raise InvalidQuestion(
                part="aggregates", detail=f"列名重复 a column name stands twice: {', '.join(columns)}"
            )
    for item in (*stats.aggregates, *lowered):
        if not _ALIAS.fullmatch(item.alias):
            raise InvalidQuestion(part="aggregates", detail=f"不能作列名 {item.alias!r} cannot be a column name")
        if not item.field and item.function is not AggregateFunction.COUNT:
            raise InvalidQuestion(part="aggregates", detail=f"{item.function} 须有字段 needs a field")
    grouping_schema(collection, stats.group_by, stats.aggregates)
    if not 0 <= stats.top <= MAX_GROUPS:
        raise InvalidQuestion(part="top", detail=f"须为 1 至 to {MAX_GROUPS}, 或不限 or none; not {stats.top}")
    if stats.top and not stats.group_by:
        raise InvalidQuestion(part="top", detail="须有分组 group columns are needed")
    if stats.bins is not None:
        _check_bins(stats.bins, stats, collection)


def _check_bins(bins: Bins, stats: Stats, collection: Collection) -> None:
    if stats.group_by:
        raise InvalidQuestion(part="bins", detail="分级与分组只取其一 classes take the place of group columns")
    field = require_field(collection, bins.field)
    require_ordered(field, "bins")
    if bins.edges or not bins.count:
        edges_of(bins, field)
    if bins.count and len(bins.edges) not in (0, 2):
        raise InvalidQuestion(
            part="bins", detail="级数须配两个界值或不配 a number of classes goes with two edges or none"
        )
    if bins.count and not 1 <= bins.count <= MAX_BINS:
        raise InvalidQuestion(part="bins", detail=f"须为 1 至 to {MAX_BINS} 级 classes, not {bins.count}")


def _check_quantiles(quantiles: Quantiles, stats: Stats, collection: Collection) -> None:
    if stats.aggregates or stats.group_by or stats.bins is not None or stats.top:
        raise InvalidQuestion(part="quantiles", detail="须单独提问 they stand alone: no groups, classes or aggregates")
    require_ordered(require_field(collection, quantiles.field), "quantiles")
    if not 1 <= len(quantiles.at) <= MAX_QUANTILES:
        raise InvalidQuestion(
            part="quantiles", detail=f"须有 1 至 to {MAX_QUANTILES} 个 of them, not {len(quantiles.at)}"
        )
    wrong = [share for share in quantiles.at if not 0 <= share <= 1]
    if wrong:
        raise InvalidQuestion(part="quantiles", detail=f"须为 0 至 1 each is from 0 to 1, not {wrong[0]}")


def check_overlay(overlay: Overlay, collection: Collection) -> None:
    """Check an overlay; its zones were checked when they were read.

    Raises:
        InvalidQuestion: an option is out of its bounds, or the collection has no areas.
        UnknownField: a field does not exist.
    """
    _bounded("group_by", len(overlay.group_by), MAX_GROUP_COLUMNS)
    check_areal(collection)
    overlay_schema(collection, overlay.group_by, overlay.shares)
    check_cut(overlay.left_to, collection)
    check_options(overlay.options, collection)


def check_layer_overlay(overlay: LayerOverlay, collection: Collection) -> None:
    """Check a layer overlay, but for what its zones are taken from.

    Raises:
        InvalidQuestion: an option is out of its bounds, or the collection has no areas.
        UnknownField: a field does not exist.
    """
    _bounded("group_by", len(overlay.group_by) + len(overlay.zones.group_by), MAX_GROUP_COLUMNS)
    check_areal(collection)
    overlay_schema(collection, overlay.group_by, shares=False)
    check_cut(overlay.left_to, collection)
    check_options(overlay.options, collection)


def check_cut(cut: Cut, collection: Collection) -> None:
    """Check versions of datasets of one collection; raises InvalidQuestion."""
    check_options(Options(cut=cut), collection)
    for dataset in cut:
        check_options(Options(dataset=dataset), collection)


def check_areal(collection: Collection) -> None:
    """Check that features have areas; raises InvalidQuestion."""
    if collection.geometry is not GeometryType.POLYGON:
        detail = (
            f"{collection.id} 须为面图层 is not a layer of polygons ({collection.geometry}); count with stats --within"
        )
        raise InvalidQuestion(part="collection", detail=detail)


def check_question(question: Question, collection: Collection) -> None:
    """Check a question of any kind; raises as the check of its kind."""
    check_selection(question.selection, collection)
    match question:
        case Query():
            check_query(question, collection)
        case Stats():
            check_stats(question, collection)
        case Overlay():
            check_overlay(question, collection)
        case LayerOverlay():
            check_layer_overlay(question, collection)


def check_options(options: Options, collection: Collection) -> None:
    """Check what every question has.

    Raises:
        InvalidQuestion: the cut names something that is no dataset, or no version; or the one dataset asked is none,
            or of another collection.
    """
    for dataset, version in options.cut.items():
        _split("cut", dataset)
        if version < 1:
            raise InvalidQuestion(part="cut", detail=f"版本号从 1 起 versions begin at 1, not {version}")
    if options.dataset and _split("dataset", options.dataset)[1] != collection.id:
        detail = f"{options.dataset} 不属于图层 is not of the collection {collection.id}"
        raise InvalidQuestion(part="dataset", detail=detail)


def _split(part: str, dataset: str) -> tuple[str, str]:
    try:
        return split_dataset(dataset)
    except ValueError as failure:
        raise InvalidQuestion(part=part, detail=str(failure)) from failure


def check_crs(crs: str) -> None:
    """Check the CRS of an answer.

    Raises:
        InvalidCrs: it is not known, or has no EPSG code.
    """
    if crs == MESH_CRS:
        return
    try:
        code = authority_code(resolve_crs(crs))
    except ValueError as failure:
        raise InvalidCrs(crs=crs, detail=str(failure)) from failure
    if code is None:
        raise InvalidCrs(crs=crs, detail="没有 EPSG 代码 it has no EPSG code")


def _bounded(part: str, count: int, limit: int) -> None:
    if count > limit:
        raise InvalidQuestion(part=part, detail=f"至多 at most {limit}, not {count}")
