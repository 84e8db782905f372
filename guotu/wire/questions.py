"""Questions to protobuf and back."""

from __future__ import annotations

from guotu.model import question as model
from guotu.model.crs import MESH_CRS
from guotu.model.errors import InvalidQuestion
from guotu.model.records import Extent
from guotu.model.zones import decoded
from guotu.v1 import common_pb2, query_pb2
from guotu.wire.pages import page_from_proto, page_to_proto

_SCOPES = {model.Scope.SELF: common_pb2.SCOPE_SELF, model.Scope.SUBTREE: common_pb2.SCOPE_SUBTREE}
_MODES = {
    model.CompletenessMode.REQUIRE_ALL: common_pb2.COMPLETENESS_MODE_REQUIRE_ALL,
    model.CompletenessMode.ALLOW_PARTIAL: common_pb2.COMPLETENESS_MODE_ALLOW_PARTIAL,
}
_FUNCTIONS = {
    model.AggregateFunction.COUNT: query_pb2.AGGREGATE_FUNCTION_COUNT,
    model.AggregateFunction.SUM: query_pb2.AGGREGATE_FUNCTION_SUM,
    model.AggregateFunction.MIN: query_pb2.AGGREGATE_FUNCTION_MIN,
    model.AggregateFunction.MAX: query_pb2.AGGREGATE_FUNCTION_MAX,
    model.AggregateFunction.AVG: query_pb2.AGGREGATE_FUNCTION_AVG,
}
_HASH_BYTES = 32
_SCOPES_BACK = {value: key for key, value in _SCOPES.items()}
_MODES_BACK = {value: key for key, value in _MODES.items()}
_FUNCTIONS_BACK = {value: key for key, value in _FUNCTIONS.items()}


def scope_to_proto(scope: model.Scope) -> common_pb2.Scope:
    """Return the wire value."""
    return _SCOPES[scope]


def scope_from_proto(scope: common_pb2.Scope) -> model.Scope:
    """Return the model value.

    Raises:
        InvalidQuestion: it is not set.
    """
    if scope not in _SCOPES_BACK:
        raise InvalidQuestion(part="scope", detail="SELF or SUBTREE must be given")
    return _SCOPES_BACK[scope]


def mode_to_proto(mode: model.CompletenessMode) -> common_pb2.CompletenessMode:
    """Return the wire value."""
    return _MODES[mode]


def mode_from_proto(mode: common_pb2.CompletenessMode) -> model.CompletenessMode:
    """Return the model value; REQUIRE_ALL if it is not set."""
    return _MODES_BACK.get(mode, model.CompletenessMode.REQUIRE_ALL)


def cut_to_proto(cut: model.Cut) -> common_pb2.Cut:
    """Return the wire value."""
    return common_pb2.Cut(versions=dict(cut))


def _options_to_proto(options: model.Options) -> query_pb2.QuestionOptions:
    return query_pb2.QuestionOptions(
        scope=_SCOPES[options.scope],
        completeness=_MODES[options.completeness],
        cut=cut_to_proto(options.cut) if options.cut else None,
        dataset=options.dataset,
        terms=query_pb2.CutTerms(closed=options.closed, receipt=options.receipt),
        relayed=options.relayed,
        analyze=options.analyze,
        aside=options.aside,
    )


def _options_from_proto(options: query_pb2.QuestionOptions) -> model.Options:
    return model.Options(
        scope=scope_from_proto(options.scope),
        completeness=mode_from_proto(options.completeness),
        cut=dict(options.cut.versions),
        dataset=options.dataset,
        closed=options.terms.closed,
        receipt=options.terms.receipt,
        relayed=options.relayed,
        analyze=options.analyze,
        aside=options.aside,
    )


def _selection_to_proto(selection: model.Selection) -> query_pb2.Selection:
    box = selection.bbox
    return query_pb2.Selection(
        filter=selection.filter,
        bbox=None if box is None else common_pb2.Extent(xmin=box.xmin, ymin=box.ymin, xmax=box.xmax, ymax=box.ymax),
        within_wkb=selection.within,
        division=selection.division,
        boundary=selection.boundary,
    )  # fmt: skip


def _selection_from_proto(selection: query_pb2.Selection) -> model.Selection:
    box = selection.bbox if selection.HasField("bbox") else None
    return model.Selection(
        filter=selection.filter,
        bbox=None if box is None else Extent(box.xmin, box.ymin, box.xmax, box.ymax),
        within=selection.within_wkb,
        division=selection.division,
        boundary=selection.boundary,
    )


def query_to_proto(query: model.Query) -> query_pb2.QueryRequest:
    """Return the wire value."""
    return query_pb2.QueryRequest(
        collection=query.collection,
        selection=_selection_to_proto(query.selection),
        fields=query.fields,
        sort=[query_pb2.SortKey(field=key.field, descending=key.descending) for key in query.sort],
        limit=query.limit,
        crs=query.crs,
        options=_options_to_proto(query.options),
        nearest=None
        if query.nearest is None
        else query_pb2.Nearest(wkb=query.nearest.wkb, within_m=query.nearest.within_m),
        page=None if query.page is None else page_to_proto(query.page),
    )


def query_from_proto(request: query_pb2.QueryRequest) -> model.Query:
    """Return the model value.

    Raises:
        InvalidQuestion: the scope is not set, or a page's position cannot be read.
    """
    return model.Query(
        collection=request.collection,
        selection=_selection_from_proto(request.selection),
        fields=tuple(request.fields),
        sort=tuple(model.SortKey(key.field, key.descending) for key in request.sort),
        limit=request.limit,
        crs=request.crs or MESH_CRS,
        options=_options_from_proto(request.options),
        nearest=model.Nearest(request.nearest.wkb, request.nearest.within_m) if request.HasField("nearest") else None,
        page=page_from_proto(request.page) if request.HasField("page") else None,
    )


def stats_to_proto(stats: model.Stats) -> query_pb2.AggregateRequest:
    """Return the wire value."""
    aggregates = [
        query_pb2.Aggregate(function=_FUNCTIONS[item.function], field=item.field, alias=item.alias)
        for item in stats.aggregates
    ]
    return query_pb2.AggregateRequest(
        collection=stats.collection,
        selection=_selection_to_proto(stats.selection),
        group_by=stats.group_by,
        aggregates=aggregates,
        options=_options_to_proto(stats.options),
        top=stats.top,
        estimate=stats.estimate,
        bins=None if stats.bins is None else _bins_to_proto(stats.bins),
        quantiles=None
        if stats.quantiles is None
        else query_pb2.Quantiles(field=stats.quantiles.field, at=stats.quantiles.at),
    )


def stats_from_proto(request: query_pb2.AggregateRequest) -> model.Stats:
    """Return the model value.

    Raises:
        InvalidQuestion: the scope or a function is not set.
    """
    return model.Stats(
        collection=request.collection,
        selection=_selection_from_proto(request.selection),
        group_by=tuple(request.group_by),
        aggregates=tuple(_aggregate_from_proto(item) for item in request.aggregates),
        options=_options_from_proto(request.options),
        top=request.top,
        estimate=request.estimate,
        bins=_bins_from_proto(request.bins) if request.HasField("bins") else None,
        quantiles=model.Quantiles(request.quantiles.field, tuple(request.quantiles.at))
        if request.HasField("quantiles")
        else None,
    )


def _bins_to_proto(bins: model.Bins) -> query_pb2.Bins:
    return query_pb2.Bins(field=bins.field, count=bins.count, edges=bins.edges)


def _bins_from_proto(bins: query_pb2.Bins) -> model.Bins:
    return model.Bins(bins.field, bins.count, tuple(bins.edges))


def _aggregate_from_proto(aggregate: query_pb2.Aggregate) -> model.Aggregate:
    if aggregate.function not in _FUNCTIONS_BACK:
        raise InvalidQuestion(part="aggregates", detail="a function must be given")
    return model.Aggregate(_FUNCTIONS_BACK[aggregate.function], aggregate.field, aggregate.alias)


def overlay_to_proto(overlay: model.Overlay | model.LayerOverlay) -> query_pb2.OverlayRequest:
    """Return the wire value.

    Raises:
        TooLarge: the zones are.
    """
    request = query_pb2.OverlayRequest(
        collection=overlay.collection,
        selection=_selection_to_proto(overlay.selection),
        group_by=overlay.group_by,
        options=_options_to_proto(overlay.options),
        left_to=cut_to_proto(overlay.left_to) if overlay.left_to else None,
        part=None if overlay.part is None else _part_to_proto(overlay.part),
    )
    if isinstance(overlay, model.LayerOverlay):
        request.zone_source.CopyFrom(_source_to_proto(overlay.zones))
        return request
    request.zones, request.pieces = overlay.zones.encoded(), not overlay.zones.whole
    request.shares = overlay.shares
    return request


def overlay_from_proto(request: query_pb2.OverlayRequest) -> model.Overlay | model.LayerOverlay:
    """Return the model value.

    Raises:
        InvalidQuestion: the scope is not set, the zones have faults, there are both zones and a source of them, or it
            is no part of what it says.
        TooLarge: the zones are.
    """
    group_by, left_to = tuple(request.group_by), dict(request.left_to.versions)
    part = _part_from_proto(request.part) if request.HasField("part") else None
    selection, options = _selection_from_proto(request.selection), _options_from_proto(request.options)
    if not request.HasField("zone_source"):
        zones = decoded(request.zones, request.pieces)
        return model.Overlay(request.collection, zones, group_by, selection, request.shares, options, left_to, part)
    if request.zones or request.shares:
        raise InvalidQuestion(part="zones", detail="a source of zones goes without zones and shares")
    source = _source_from_proto(request.zone_source)
    return model.LayerOverlay(request.collection, source, group_by, selection, options, left_to, part)


def _part_to_proto(part: model.PartOf) -> query_pb2.PartOf:
    return query_pb2.PartOf(whole=bytes.fromhex(part.whole), number=part.number, count=part.count)


def _part_from_proto(part: query_pb2.PartOf) -> model.PartOf:
    if len(part.whole) != _HASH_BYTES or part.number >= part.count:
        raise InvalidQuestion(part="part", detail="a SHA-256, and a number below the count, are needed")
    return model.PartOf(part.whole.hex(), part.number, part.count)


def _source_to_proto(source: model.ZoneSource) -> query_pb2.ZoneSource:
    return query_pb2.ZoneSource(
        collection=source.collection,
        group_by=source.group_by,
        filter=source.filter,
        dataset=source.dataset,
        cut=cut_to_proto(source.cut),
    )


def _source_from_proto(source: query_pb2.ZoneSource) -> model.ZoneSource:
    cut = dict(source.cut.versions)
    return model.ZoneSource(source.collection, tuple(source.group_by), source.filter, source.dataset, cut)


def explain_to_proto(question: model.Question, analyze: bool) -> query_pb2.ExplainRequest:
    """Return the wire value."""
    match question:
        case model.Query():
            return query_pb2.ExplainRequest(query=query_to_proto(question), analyze=analyze)
        case model.Stats():
            return query_pb2.ExplainRequest(aggregate=stats_to_proto(question), analyze=analyze)
        case model.Overlay() | model.LayerOverlay():
            return query_pb2.ExplainRequest(overlay=overlay_to_proto(question), analyze=analyze)


def explain_from_proto(request: query_pb2.ExplainRequest) -> model.Question:
    """Return the question to explain.

    Raises:
        InvalidQuestion: there is none, or it is not valid.
    """
    if request.WhichOneof("question") is None:
        raise InvalidQuestion(part="question", detail="a query, an aggregate or an overlay must be given")
    if request.HasField("query"):
        return query_from_proto(request.query)
    if request.HasField("overlay"):
        return overlay_from_proto(request.overlay)
    return stats_from_proto(request.aggregate)
