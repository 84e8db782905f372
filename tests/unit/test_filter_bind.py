"""Filters are bound to their collection: names and types are checked, and mean one expression."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
import shapely

from federation.filter.bind import bind_filter
from federation.filter.phrase import phrase
from federation.filter.window import window_of
from guotu.model.errors import InvalidFilter, UnknownField
from guotu.model.expression import (
    Always,
    And,
    Between,
    Compare,
    CompareFields,
    Comparison,
    Expression,
    In,
    IsNull,
    Like,
    Not,
    Or,
    Spatial,
    SpatialRelation,
    WithinDistance,
)
from tests.support.federation_parts import FIGURES, PARCELS

SQUARE = "POLYGON((104 30,105 30,105 31,104 31,104 30))"
SQUARE_JSON = {"type": "Polygon", "coordinates": [[[104, 30], [105, 30], [105, 31], [104, 31], [104, 30]]]}
PADDY, FIELDS = Compare("DLBM", Comparison.EQ, "0101"), CompareFields("KCMJ", Comparison.LE, "TBMJ")


def json_of(name: str, *args: Any) -> str:
    return json.dumps({"op": name, "args": list(args)})


def prop(name: str) -> dict[str, str]:
    return {"property": name}


MEANINGS: list[tuple[str, str, Expression]] = [
    ("DLBM = '0101'", json_of("=", prop("DLBM"), "0101"), PADDY),
    ("'0101' = DLBM", json_of("=", "0101", prop("DLBM")), PADDY),
    ("SJNF <> 2020", json_of("<>", prop("SJNF"), 2020), Compare("SJNF", Comparison.NE, 2020)),
    ("2020 < SJNF", json_of("<", 2020, prop("SJNF")), Compare("SJNF", Comparison.GT, 2020)),
    ("2020 <= SJNF", json_of("<=", 2020, prop("SJNF")), Compare("SJNF", Comparison.GE, 2020)),
    ("2020 > SJNF", json_of(">", 2020, prop("SJNF")), Compare("SJNF", Comparison.LT, 2020)),
    ("2020 >= SJNF", json_of(">=", 2020, prop("SJNF")), Compare("SJNF", Comparison.LE, 2020)),
    ("TBMJ < 66.67", json_of("<", prop("TBMJ"), 66.67), Compare("TBMJ", Comparison.LT, 66.67)),
    ("TBMJ < 100.0", json_of("<", prop("TBMJ"), 100), Compare("TBMJ", Comparison.LT, 100)),
    ("KD > 1e300", json_of(">", prop("KD"), 1e300), Compare("KD", Comparison.GT, 1e300)),
    ("KCMJ <= TBMJ", json_of("<=", prop("KCMJ"), prop("TBMJ")), FIELDS),
    ("SJNF < TBMJ", json_of("<", prop("SJNF"), prop("TBMJ")), CompareFields("SJNF", Comparison.LT, "TBMJ")),
    ("SFYX = true", json_of("=", prop("SFYX"), True), Compare("SFYX", Comparison.EQ, True)),
    ("SFYX", json.dumps(prop("SFYX")), Compare("SFYX", Comparison.EQ, True)),
    ("NOT SFYX", json_of("not", prop("SFYX")), Not(Compare("SFYX", Comparison.EQ, True))),
    ("\"in\" = 'x'", json_of("=", prop("in"), "x"), Compare("in", Comparison.EQ, "x")),
    ("SJNF BETWEEN 2019 AND 2023", json_of("between", prop("SJNF"), 2019, 2023), Between("SJNF", 2019, 2023)),
    ("DLBM IN ('0101','0102')", json_of("in", prop("DLBM"), ["0101", "0102"]), In("DLBM", ("0101", "0102"))),
    ("DLBM LIKE '01%'", json_of("LIKE", prop("DLBM"), "01%"), Like("DLBM", "01%")),
    ("备注 IS NULL", json_of("isNull", prop("备注")), IsNull("备注")),
    ("备注 IS NOT NULL", json_of("not", json.loads(json_of("isNull", prop("备注")))), Not(IsNull("备注"))),
    (
        "GXRQ >= DATE('2024-02-29')",
        json_of(">=", prop("GXRQ"), {"date": "2024-02-29"}),
        Compare("GXRQ", Comparison.GE, date(2024, 2, 29)),
    ),
    (
        "GXRQ = '2024-01-01'",
        json_of("=", prop("GXRQ"), {"timestamp": "2024-01-01T00:00:00Z"}),
        Compare("GXRQ", Comparison.EQ, date(2024, 1, 1)),
    ),
    (
        "T_BEFORE(GXRQ, DATE('2024-01-01'))",
        json_of("t_before", prop("GXRQ"), {"date": "2024-01-01"}),
        Compare("GXRQ", Comparison.LT, date(2024, 1, 1)),
    ),
    (
        "T_AFTER(GXRQ, DATE('2024-01-01'))",
        json_of("t_after", prop("GXRQ"), {"date": "2024-01-01"}),
        Compare("GXRQ", Comparison.GT, date(2024, 1, 1)),
    ),
    (
        "GXRQ BETWEEN DATE('2024-01-01') AND DATE('2024-12-31')",
        json_of("between", prop("GXRQ"), {"date": "2024-01-01"}, {"date": "2024-12-31"}),
        Between("GXRQ", date(2024, 1, 1), date(2024, 12, 31)),
    ),
    (
        "DLBM = '0101' AND (KCMJ <= TBMJ OR SFYX)",
        json.dumps(
            {
                "op": "and",
                "args": [
                    {"op": "=", "args": [prop("DLBM"), "0101"]},
                    {"op": "or", "args": [{"op": "<=", "args": [prop("KCMJ"), prop("TBMJ")]}, prop("SFYX")]},
                ],
            }
        ),
        And((PADDY, Or((FIELDS, Compare("SFYX", Comparison.EQ, True))))),
    ),
    ("DLBM = '0101'", json_of("and", {"op": "=", "args": [prop("DLBM"), "0101"]}), PADDY),
]


@pytest.mark.parametrize(("text", "tree", "meaning"), MEANINGS)
def test_text_and_json_mean_the_same(text: str, tree: str, meaning: Expression) -> None:
    # By repr: 1, 1.0 and True are equal, and not the same to a store.
    assert repr(bind_filter(text, PARCELS)) == repr(meaning)
    assert repr(bind_filter(tree, PARCELS)) == repr(meaning)


@pytest.mark.parametrize("text", ["TRUE", "FALSE", "NOT TRUE"])
def test_constants(text: str) -> None:
    expected = {"TRUE": Always(True), "FALSE": Always(False), "NOT TRUE": Not(Always(True))}[text]
    assert bind_filter(text, PARCELS) == expected


RELATIONS = [
    ("S_INTERSECTS", SpatialRelation.INTERSECTS, SpatialRelation.INTERSECTS),
    ("S_DISJOINT", SpatialRelation.DISJOINT, SpatialRelation.DISJOINT),
    ("S_WITHIN", SpatialRelation.WITHIN, SpatialRelation.CONTAINS),
    ("S_CONTAINS", SpatialRelation.CONTAINS, SpatialRelation.WITHIN),
]


@pytest.mark.parametrize(("name", "relation", "converse"), RELATIONS)
def test_spatial_relations_either_way_round(name: str, relation: SpatialRelation, converse: SpatialRelation) -> None:
    for filter_text in (f"{name}(geometry, {SQUARE})", json_of(name.lower(), prop("geometry"), SQUARE_JSON)):
        bound = bind_filter(filter_text, PARCELS)
        assert isinstance(bound, Spatial)
        assert bound.relation is relation
        assert shapely.from_wkb(bound.wkb).equals(shapely.from_wkt(SQUARE))
    for filter_text in (f"{name}({SQUARE}, geometry)", json_of(name.lower(), SQUARE_JSON, prop("geometry"))):
        bound = bind_filter(filter_text, PARCELS)
        assert isinstance(bound, Spatial)
        assert bound.relation is converse


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ("BBOX(104,30,105,31)", SQUARE),
        ("BBOX(104,30,-5,105,31,900)", SQUARE),
        ("BBOX(104,30,104,30)", "POINT(104 30)"),
        ("BBOX(104,30,104,31)", "LINESTRING(104 30,104 31)"),
        ("POLYGON Z((104 30 5,105 30 5,105 31 5,104 31 5,104 30 5))", SQUARE),
    ],
)
def test_literals_are_sound_flat_geometries(box: str, expected: str) -> None:
    bound = bind_filter(f"S_INTERSECTS(geometry, {box})", PARCELS)
    assert isinstance(bound, Spatial)
    geometry = shapely.from_wkb(bound.wkb)
    assert geometry.equals(shapely.from_wkt(expected))
    assert geometry.is_valid
    assert not geometry.has_z
    assert bound.wkb[0] == 1
    assert bound.wkb[1:5] in (b"\1\0\0\0", b"\2\0\0\0", b"\3\0\0\0")


@pytest.mark.parametrize(
    "text",
    [
        "S_DWITHIN(geometry, POINT(104 30), 500)",
        "s_dwithin(POINT Z(104 30 7), geometry, 5e2)",
        json_of("s_dwithin", prop("geometry"), {"type": "Point", "coordinates": [104, 30]}, 500.0),
    ],
)
def test_distances_are_in_metres(text: str) -> None:
    bound = bind_filter(text, PARCELS)
    assert bound == WithinDistance(shapely.to_wkb(shapely.Point(104, 30), byte_order=1), 500.0)
    assert bind_filter(phrase(bound).replace("Point[104.0000, 30.0000, 104.0000, 30.0000]", "POINT(104 30)"), PARCELS)
    window = window_of(bound)
    assert window is not None
    assert shapely.intersects(window, shapely.Point(104.005, 30))
    assert not shapely.intersects(window, shapely.Point(104.006, 30))


def test_no_distance_is_to_meet() -> None:
    bound = bind_filter("S_DWITHIN(geometry, POINT(104 30), 0)", PARCELS)
    assert bound == bind_filter("S_INTERSECTS(geometry, POINT(104 30))", PARCELS)


REFUSED = [
    ("DLBM = 101", "DLBM", "text in single quotes is needed"),
    ("DLBM = TRUE", "DLBM", "text in single quotes is needed"),
    ("SJNF = '2020'", "SJNF", "a number is needed"),
    ("SJNF = true", "SJNF", "a number is needed"),
    ("SFYX = 1", "SFYX", "true or false is needed"),
    ("GXRQ = 2024", "GXRQ", "DATE('yyyy-mm-dd') is needed"),
    ("GXRQ = DATE('2023-02-29')", "GXRQ", "DATE('yyyy-mm-dd') is needed"),
    ("GXRQ = DATE('20240101')", "GXRQ", "DATE('yyyy-mm-dd') is needed"),
    ("GXRQ = '2024-01-01 or so'", "GXRQ", "DATE('yyyy-mm-dd') is needed"),
    ("GXRQ > TIMESTAMP('2024-01-01T12:00:00Z')", "GXRQ", "DATE('yyyy-mm-dd') is needed"),
    ("T_DURING(GXRQ, INTERVAL('2024-01-01','..'))", "t_during", "not supported"),
    ("SJNF IN (2020, 'x')", "SJNF", "a number is needed"),
    ("SJNF BETWEEN 1 AND 'x'", "SJNF", "a number is needed"),
    ("SJNF LIKE '20%'", "SJNF", "LIKE needs a text field"),
    ("DLBM LIKE 5", "DLBM", "LIKE needs a text field"),
    ("DLBM = SJNF", "DLBM", "DLBM is text and SJNF is integer"),
    ("SJNF = 9223372036854775808", "SJNF", "64 bits"),
    ("SJNF = 1e18", "SJNF", "no point and no exponent"),
    ("KD = 1e400", "KD", "finite"),
    ("BSM = 'a\0b'", "BSM", "NUL"),
    ("BSM LIKE 'a\0b'", "BSM", "NUL"),
    ("DLBM", "DLBM", "a condition is needed"),
    ("5", "5", "a condition is needed"),
    ("1 = 1", "=", "the name of a field is needed"),
    ("CASEI(DLBM) = 'x'", "=", "casei"),
    ("DLBM = CASEI('x')", "DLBM", "casei"),
    ("FOO(DLBM)", "foo", "'foo' is not supported; supported: and, or"),
    ("A_EQUALS(DLBM, 5)", "a_equals", "not supported"),
    ("S_TOUCHES(geometry, POINT(1 2))", "s_touches", "not supported"),
    ("S_INTERSECTS(DLBM, POINT(1 2))", "DLBM", "needs 'geometry' on one side"),
    ("S_INTERSECTS(geometry, geometry)", "geometry", "not a geometry"),
    ("S_INTERSECTS(geometry, 5)", "geometry", "geometry"),
    ("S_INTERSECTS(geometry)", "geometry", "two arguments"),
    ("S_INTERSECTS(geometry, BBOX(1,2,3))", "geometry", "four numbers"),
    ("S_INTERSECTS(geometry, BBOX(3,2,1,4))", "geometry", "xmin <= xmax"),
    ("S_INTERSECTS(geometry, POINT(30 104))", "geometry", "longitude first"),
    ("S_INTERSECTS(geometry, POINT(500000 3400000))", "geometry", "longitude first"),
    ("S_INTERSECTS(geometry, POLYGON((0 0,1 1,1 0,0 1,0 0)))", "geometry", "broken"),
    ("S_DWITHIN(geometry, POINT(104 30))", "geometry", "needs geometry, a geometry and metres"),
    ("S_DWITHIN(DLBM, POINT(104 30), 5)", "DLBM", "needs 'geometry' on one side"),
    ("S_DWITHIN(geometry, POINT(104 30), -1)", "geometry", "from 0 to 1,000,000"),
    ("S_DWITHIN(geometry, POINT(104 30), '5')", "geometry", "from 0 to 1,000,000"),
    ("S_DWITHIN(geometry, POINT(104 30), TRUE)", "geometry", "from 0 to 1,000,000"),
    ("S_DWITHIN(geometry, POINT(104 30), 1000001)", "geometry", "from 0 to 1,000,000"),
    ("S_DWITHIN(geometry, POINT(30 104), 5)", "geometry", "longitude first"),
    ("S_DWITHIN(geometry, POINT(104 84.9), 500000)", "geometry", "85°"),
    (" OR ".join(["S_DWITHIN(geometry, POINT(104 30), 5)"] * 17), "geometry", "more than 16 distances"),
    ("geometry = 5", "geometry", "S_INTERSECTS"),
    ("geometry IS NULL", "geometry", "S_INTERSECTS"),
    (json_of("=", prop("DLBM"), {"x": 1}), "DLBM", "text in single quotes is needed"),
    (json_of("=", prop("DLBM"), None), "DLBM", "text in single quotes is needed"),
    (json_of("=", prop("DLBM")), "DLBM", "two arguments"),
    (json_of("in", prop("DLBM"), []), "DLBM", "a list of values"),
    (json_of("in", prop("DLBM"), "0101"), "DLBM", "a list of values"),
    (json_of("between", prop("SJNF"), 1), "SJNF", "two values"),
    (json_of("not"), "not", "one argument"),
    (json_of("and"), "and", "at least one condition"),
    (json.dumps({"op": "and"}), "and", "has no arguments"),
    (json.dumps({"op": 5, "args": []}), "5", "a condition is needed"),
    (json_of("=", {"property": ["DLBM"]}, "x"), "=", "the name of a field"),
    (json_of("s_within", prop("geometry"), {"type": "Polygon", "coordinates": []}), "geometry", "empty"),
    (json_of("s_within", prop("geometry"), {"type": "Polygon", "coordinates": [[[0, 0]]]}), "geometry", "geometry"),
    (json_of("s_within", prop("geometry"), {"bbox": "1234"}), "geometry", "not a geometry"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "where", "detail"), REFUSED)
def test_what_does_not_fit_is_refused_and_named(text: str, where: str, detail: str) -> None:
    with pytest.raises(InvalidFilter) as refusal:
        bind_filter(text, PARCELS)
    assert where in str(refusal.value.facts["where"])
    assert detail in str(refusal.value.facts["detail"])
    assert len(str(refusal.value)) < 1500


@pytest.mark.parametrize("text", ["DLBN = '0101'", "\"DLBM \" = 'x'", "dlbm = 'x'", "SJNF = 1 AND 年份 IS NULL"])
def test_an_unknown_field_is_named_with_those_there_are(text: str) -> None:
    with pytest.raises(UnknownField) as refusal:
        bind_filter(text, PARCELS)
    assert refusal.value.facts["collection"] == "dltb"
    assert "DLBM" in str(refusal.value.facts["known"])


def test_a_collection_without_geometry_takes_no_spatial_filter() -> None:
    with pytest.raises(InvalidFilter, match="rk has no geometry"):
        bind_filter(f"S_WITHIN(geometry, {SQUARE})", FIGURES)
