"""Questions cross the wire unchanged."""

from __future__ import annotations

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.errors import InvalidQuestion
from guotu.model.question import (
    Aggregate,
    AggregateFunction,
    Bins,
    CompletenessMode,
    LayerOverlay,
    Nearest,
    Options,
    Overlay,
    PartOf,
    Quantiles,
    Query,
    Question,
    Scope,
    Selection,
    SortKey,
    Stats,
    ZoneSource,
)
from guotu.model.records import Extent
from guotu.model.zones import zones_of
from guotu.v1 import common_pb2, query_pb2
from guotu.wire.questions import (
    explain_from_proto,
    explain_to_proto,
    overlay_from_proto,
    overlay_to_proto,
    query_from_proto,
    query_to_proto,
    stats_from_proto,
    stats_to_proto,
)

_NAMES = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
_ZONE_NAMES = _NAMES.filter(str.strip)
_DEGREES = st.floats(-180, 180)
_CUTS = st.dictionaries(st.sampled_from(["510000/dltb", "510100-ch/dltb"]), st.integers(0, 2**63 - 1))
_OPTIONS = st.builds(
    Options,
    st.sampled_from(Scope),
    st.sampled_from(CompletenessMode),
    _CUTS,
    closed=st.booleans(),
    analyze=st.booleans(),
    aside=st.booleans(),
)
_SELECTIONS = st.builds(
    Selection,
    _NAMES,
    st.none() | st.builds(Extent, _DEGREES, _DEGREES, _DEGREES, _DEGREES),
    st.binary(),
    _NAMES,
    _NAMES,
)
_QUERIES = st.builds(
    Query,
    collection=_NAMES,
    selection=_SELECTIONS,
    fields=st.lists(_NAMES).map(tuple),
    sort=st.lists(st.builds(SortKey, _NAMES, st.booleans())).map(tuple),
    limit=st.integers(-(2**63), 2**63 - 1),
    crs=st.sampled_from(["EPSG:4490", "EPSG:4547"]),
    options=_OPTIONS,
    nearest=st.none() | st.builds(Nearest, st.binary(), st.floats(0, 1e6)),
)
_STATS = st.builds(
    Stats,
    collection=_NAMES,
    aggregates=st.lists(st.builds(Aggregate, st.sampled_from(AggregateFunction), _NAMES, _NAMES)).map(tuple),
    group_by=st.lists(_NAMES).map(tuple),
    selection=_SELECTIONS,
    options=_OPTIONS,
    top=st.integers(0, 2**63 - 1),
    bins=st.none() | st.builds(Bins, _NAMES, st.integers(0, 1024), st.lists(_NAMES).map(tuple)),
    estimate=st.booleans(),
    quantiles=st.none() | st.builds(Quantiles, _NAMES, st.lists(st.floats(0, 1)).map(tuple)),
)
_ZONES = st.lists(st.tuples(_ZONE_NAMES, _DEGREES), min_size=1, max_size=4, unique_by=lambda item: item[0]).map(
    lambda items: zones_of([name for name, _ in items], shapely.box(0, 0, [abs(x) / 2 + 1 for _, x in items], 2))
)
_HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
_PARTS = st.none() | st.integers(1, 2**32 - 1).flatmap(
    lambda count: st.builds(PartOf, _HASHES, st.integers(0, count - 1), st.just(count))
)
_OVERLAYS = st.builds(
    Overlay,
    collection=_NAMES,
    zones=_ZONES,
    group_by=st.lists(_NAMES).map(tuple),
    selection=_SELECTIONS,
    shares=st.booleans(),
    options=_OPTIONS,
    left_to=_CUTS,
    part=_PARTS,
)
_LAYER_OVERLAYS = st.builds(
    LayerOverlay,
    collection=_NAMES,
    zones=st.builds(ZoneSource, _NAMES, st.lists(_NAMES).map(tuple), _NAMES, _NAMES, _CUTS),
    group_by=st.lists(_NAMES).map(tuple),
    selection=_SELECTIONS,
    options=_OPTIONS,
    left_to=_CUTS,
    part=_PARTS,
)


@settings(deadline=None)
@given(_QUERIES)
def test_queries(query: Query) -> None:
    sent = query_to_proto(query).SerializeToString()
    assert query_from_proto(query_pb2.QueryRequest.FromString(sent)) == query


@settings(deadline=None)
@given(_STATS)
def test_stats(stats: Stats) -> None:
    sent = stats_to_proto(stats).SerializeToString()
    assert stats_from_proto(query_pb2.AggregateRequest.FromString(sent)) == stats


@settings(deadline=None)
@given(_OVERLAYS | _LAYER_OVERLAYS)
def test_overlays(overlay: Overlay | LayerOverlay) -> None:
    sent = overlay_to_proto(overlay).SerializeToString()
    assert overlay_from_proto(query_pb2.OverlayRequest.FromString(sent)) == overlay


@settings(deadline=None)
@given(_QUERIES | _STATS | _OVERLAYS | _LAYER_OVERLAYS, st.booleans())
def test_questions_to_explain(question: Question, analyze: bool) -> None:
    request = query_pb2.ExplainRequest.FromString(explain_to_proto(question, analyze).SerializeToString())
    assert explain_from_proto(request) == question
    assert request.analyze is analyze


def test_what_is_not_set_has_a_safe_meaning() -> None:
    options = query_pb2.QuestionOptions(scope=common_pb2.SCOPE_SELF)
    query = query_from_proto(query_pb2.QueryRequest(collection="dltb", options=options))
    assert query == Query("dltb", options=Options(scope=Scope.SELF, completeness=CompletenessMode.REQUIRE_ALL))
    assert query.selection == Selection()
    assert query.crs == "EPSG:4490"


def test_an_empty_box_is_not_no_box() -> None:
    query = Query("dltb", Selection(bbox=Extent(0, 0, 0, 0)))
    assert query_from_proto(query_to_proto(query)).selection.bbox == Extent(0, 0, 0, 0)


def test_an_unknown_mode_is_the_strict_one() -> None:
    options = query_pb2.QuestionOptions(scope=common_pb2.SCOPE_SELF)
    options.completeness = 99  # type: ignore[assignment]
    request = query_pb2.QueryRequest(collection="dltb", options=options)
    assert query_from_proto(request).options.completeness is CompletenessMode.REQUIRE_ALL


_ENCODED = zones_of(["a"], shapely.box([0], 0, 1, 1)).encoded()


@pytest.mark.parametrize("scope", [common_pb2.SCOPE_UNSPECIFIED, 99])
def test_a_scope_must_be_given(scope: common_pb2.Scope) -> None:
    options = query_pb2.QuestionOptions()
    options.scope = scope
    for read, request in (
        (query_from_proto, query_pb2.QueryRequest(options=options)),
        (stats_from_proto, query_pb2.AggregateRequest(options=options)),
        (overlay_from_proto, query_pb2.OverlayRequest(options=options, zones=_ENCODED)),
    ):
        with pytest.raises(InvalidQuestion) as refusal:
            read(request)  # type: ignore[operator]
        assert refusal.value.facts["part"] == "scope"


@pytest.mark.parametrize(("whole", "number", "count"), [(b"", 0, 1), (b"1" * 32, 1, 1), (b"1" * 32, 0, 0)])
def test_a_part_is_one_of_a_whole(whole: bytes, number: int, count: int) -> None:
    options = query_pb2.QuestionOptions(scope=common_pb2.SCOPE_SELF)
    part = query_pb2.PartOf(whole=whole, number=number, count=count)
    with pytest.raises(InvalidQuestion, match="number below the count"):
        overlay_from_proto(query_pb2.OverlayRequest(options=options, zones=_ENCODED, part=part))


def test_a_function_and_a_question_must_be_given() -> None:
    options = query_pb2.QuestionOptions(scope=common_pb2.SCOPE_SELF)
    request = query_pb2.AggregateRequest(aggregates=[query_pb2.Aggregate(field="TBMJ")], options=options)
    with pytest.raises(InvalidQuestion, match="function"):
        stats_from_proto(request)
    with pytest.raises(InvalidQuestion, match="a query, an aggregate or an overlay"):
        explain_from_proto(query_pb2.ExplainRequest())
