"""CQL2 text and JSON are read to one tree, within bounds, and say where they are wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from typing import Any

import cql2
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st

from federation.filter.bind import bind_filter
from federation.filter.grammar import MAX_DEPTH, MAX_TERMS
from federation.filter.phrase import phrase
from federation.filter.text import parse_filter
from guotu.model.errors import GuotuError, InvalidFilter, TooLarge
from guotu.model.expression import Expression, Like
from guotu.model.question import MAX_FILTER_BYTES
from tests.support.federation_parts import EXPRESSIONS, PARCELS


def op(name: str, *args: Any) -> dict[str, Any]:
    return {"op": name, "args": list(args)}


def field(name: str) -> dict[str, str]:
    return {"property": name}


A1, B2, C3 = op("=", field("a"), 1), op("=", field("b"), 2), op("=", field("c"), 3)

READINGS: list[tuple[str, Any]] = [
    ("a = 1", A1),
    ("a=1", A1),
    ("(((a=1)))", A1),
    ("  a\n=\t1  ", A1),
    ("1 = a", op("=", 1, field("a"))),
    ("a <> 'x'", op("<>", field("a"), "x")),
    ("a != 'x'", op("<>", field("a"), "x")),
    ("a <= -1.5e3", op("<=", field("a"), -1500.0)),
    ("a >= + 2", op(">=", field("a"), 2)),
    ("a < .5", op("<", field("a"), 0.5)),
    ("a > 9007199254740993", op(">", field("a"), 9007199254740993)),
    ("a = 'it''s'", op("=", field("a"), "it's")),
    ("a = ''", op("=", field("a"), "")),
    ("a = 'x)('", op("=", field("a"), "x)(")),
    (r"a = 'back\'", op("=", field("a"), "back\\")),
    ('"select" = 1', op("=", field("select"), 1)),
    ('"a""b" = 1', op("=", field('a"b'), 1)),
    ("地类 = '水田'", op("=", field("地类"), "水田")),
    ("a = b", op("=", field("a"), field("b"))),
    ("a = TRUE", op("=", field("a"), True)),
    ("a", field("a")),
    ("NOT a", op("not", field("a"))),
    ("true", True),
    ("False", False),
    ("a=1 AND b=2 AND c=3", op("and", A1, B2, C3)),
    ("a=1 or b=2 OR c=3", op("or", A1, B2, C3)),
    ("a=1 OR b=2 AND c=3", op("or", A1, op("and", B2, C3))),
    ("(a=1 OR b=2) AND c=3", op("and", op("or", A1, B2), C3)),
    ("(a=1 AND b=2) AND c=3", op("and", op("and", A1, B2), C3)),
    ("NOT a=1 AND b=2", op("and", op("not", A1), B2)),
    ("NOT (a=1 AND b=2)", op("not", op("and", A1, B2))),
    ("NOT NOT a=1", op("not", op("not", A1))),
    ("a=1AND(b=2)", op("and", A1, B2)),
    ("a BETWEEN 1 AND 2 AND b=2", op("and", op("between", field("a"), 1, 2), B2)),
    ("a NOT BETWEEN 1 AND 2", op("not", op("between", field("a"), 1, 2))),
    ("a IN ('x', 'y,''z)')", op("in", field("a"), ["x", "y,'z)"])),
    ("a in (1,-2,+3 , 4.50)", op("in", field("a"), [1, -2, 3, 4.5])),
    ("a NOT IN (1)", op("not", op("in", field("a"), [1]))),
    ("d IN (DATE('2024-01-01'), '2024-01-02')", op("in", field("d"), [{"date": "2024-01-01"}, "2024-01-02"])),
    ("a LIKE '01%'", op("like", field("a"), "01%")),
    (r"a NOT LIKE '50\%'", op("not", op("like", field("a"), r"50\%"))),
    ("a IS NULL", op("isNull", field("a"))),
    ("a IS NOT NULL", op("not", op("isNull", field("a")))),
    ("d > DATE('2024-01-01')", op(">", field("d"), {"date": "2024-01-01"})),
    ("T_AFTER(d, DATE('2024-01-01'))", op("t_after", field("d"), {"date": "2024-01-01"})),
    ("S_INTERSECTS(geometry, BBOX(1,2,3,4))", op("s_intersects", field("geometry"), {"bbox": [1, 2, 3, 4]})),
    ("casei(a) = 'x'", op("=", op("casei", field("a")), "x")),
]


@pytest.mark.parametrize(("text", "tree"), READINGS)
def test_text_is_read(text: str, tree: Any) -> None:
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    "wkt",
    [
        "POINT(104 30)",
        "LINESTRING (104 30, 105 31)",
        "polygon((0 0,1 0,1 1,0 0),(0.1 0.1,0.2 0.1,0.2 0.2,0.1 0.1))",
        "MULTIPOINT((1 2),(3 4))",
        "MULTIPOLYGON(((0 0,1 0,1 1,0 0)))",
        "POLYGON Z((0 0 1,1 0 1,1 1 1,0 0 1))",
        "GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))",
    ],
)
def test_geometries_are_well_known_text(wkt: str) -> None:
    tree = parse_filter(f"S_WITHIN(geometry, {wkt}) AND a = 1")
    assert tree["args"][0]["args"][1].equals(shapely.from_wkt(wkt))
    assert tree["args"][1] == A1


def test_text_and_json_are_one_tree() -> None:
    for text, tree in READINGS:
        if isinstance(tree, dict):
            assert parse_filter("  " + json.dumps(tree)) == parse_filter(text)


@settings(deadline=None)
@given(EXPRESSIONS)
@example(Like("BSM", "back\\"))
def test_a_phrase_is_read_back_as_the_same_expression(expression: Expression) -> None:
    assert bind_filter(phrase(expression), PARCELS) == expression


_NAMES = st.sampled_from(["a", "b_1", "地类"])
_VALUES = (
    st.integers(-(2**31), 2**31).map(str)
    | st.sampled_from(["1.5", "-0.25", "1e3", "'x'", "'it''s'", "''", "TRUE", "'(a)'"])
)  # fmt: skip
_CONDITIONS = st.builds(
    lambda name, form, one, two: form.format(name, one, two),
    _NAMES,
    st.sampled_from(
        ["{0} = {1}", "{0}<>{1}", "{0} <= {1}", "{0} BETWEEN {1} AND {2}", "{0} NOT IN ({1},{2})", "{0} IS NOT NULL"]
    ),
    _VALUES,
    _VALUES,
)
_FORMS = st.sampled_from(["({}) AND {}", "({}) OR ({})", "NOT ({}) AND ({})"])
_TEXTS = st.recursive(
    _CONDITIONS, lambda part: st.builds(lambda form, one, two: form.format(one, two), _FORMS, part, part), max_leaves=8
)


def flat(tree: Any) -> Any:
    """Return a tree in which no AND is directly in an AND, no OR in an OR."""
    if not isinstance(tree, dict) or "args" not in tree:
        return tree
    parts = [flat(part) for part in tree["args"]]
    if tree["op"] in ("and", "or"):
        parts = [
            inner
            for part in parts
            for inner in (part["args"] if isinstance(part, dict) and part.get("op") == tree["op"] else [part])
        ]
    return {"op": tree["op"], "args": parts}


@settings(deadline=None)
@given(_TEXTS)
def test_another_parser_reads_the_same(text: str) -> None:
    """The `cql2` package (Rust) is the oracle; it reads all numbers as doubles and makes chains flat."""
    assert flat(parse_filter(text)) == flat(cql2.parse_text(text).to_json())


WRONG = [
    ("", "line 1, column 1", "a field or a value is expected"),
    ("a =", "line 1, column 4", "a field or a value is expected"),
    ("a = 1\nAND b >\nAND c = 1", "line 3, column 1", "a field or a value is expected"),
    ("a = 'x", "line 1, column 5", "the quote is not closed"),
    ("a = 1 b = 2", "line 1, column 7", "AND, OR or the end is expected"),
    ("(a = 1", "line 1, column 7", "')' is expected"),
    ("a = 1)", "line 1, column 6", "AND, OR or the end is expected"),
    ("a IN ()", "line 1, column 7", "a field or a value is expected"),
    ("a IN 1", "line 1, column 6", "'(' is expected"),
    ("a IN (1,", "line 1, column 9", "a field or a value is expected"),
    ("a NOT 5", "line 1, column 7", "LIKE, BETWEEN or IN is expected"),
    ("a BETWEEN 1 OR 2", "line 1, column 13", "AND is expected"),
    ("a IS 5", "line 1, column 6", "NULL is expected"),
    ("a = -", "line 1, column 6", "a number is expected"),
    ("a = 1; DROP TABLE x", "line 1, column 6", "this cannot stand here"),
    ("a = #", "line 1, column 5", "this cannot stand here"),
    ("AND a = 1", "line 1, column 1", "a field or a value is expected"),
    ("a = 1 = 2", "line 1, column 7", "AND, OR or the end is expected"),
    ("a + 1 = 2", "line 1, column 3", "AND, OR or the end is expected"),
    ("S_WITHIN(geometry, POLYGON((0 0,1 1)))", "line 1, column 20", "not a geometry"),
    ("S_WITHIN(geometry, POLYGON((0 0,1 1", "line 1, column 20", "not closed"),
    ("a = " + "9" * 65, "line 1, column 5", "at most 64 characters"),
    ("备注 = '水田' AND 备注 = ", "line 1, column 20", "a field or a value is expected"),
    ('{"op": "=", "args": [}', "line 1, column 22", "not JSON"),
    ('{\n"op" "="}', "line 2, column 6", "not JSON"),
    ('{"op": "=", "args": [{"property": "a"}, NaN]}', "line 1", "not JSON"),
    ('{"op": "=", "args": [{"property": "a"}, ' + "9" * 5000 + "]}", "line 1", "too many digits"),
    ('{"op": "=", "args": [{"property": "a"}, "\\ud800"]}', "line 1", "surrogate"),
    ("a = '\ud800'", "line 1", "surrogate"),
]


@pytest.mark.parametrize(("text", "where", "detail"), WRONG)
def test_a_fault_says_where(text: str, where: str, detail: str) -> None:
    with pytest.raises(InvalidFilter) as refusal:
        bind_filter(text, PARCELS)
    assert refusal.value.facts["where"] == where
    assert detail in str(refusal.value.facts["detail"])


def test_what_is_shown_of_a_long_filter_is_short() -> None:
    with pytest.raises(InvalidFilter) as refusal:
        parse_filter("a = 1 " + "x" * 100_000)
    assert len(str(refusal.value)) < 500


def test_bounds_are_where_they_are_said_to_be() -> None:
    parse_filter("(" * MAX_DEPTH + "a = 1" + ")" * MAX_DEPTH)
    parse_filter("NOT " * MAX_DEPTH + "a = 1")
    bind_filter(" AND ".join(["SJNF = 1"] * (MAX_TERMS - 1)), PARCELS)
    for text in (
        "(" * (MAX_DEPTH + 1) + "SJNF = 1" + ")" * (MAX_DEPTH + 1),
        "NOT " * (MAX_DEPTH + 1) + "SJNF = 1",
        " AND ".join(["SJNF = 1"] * (MAX_TERMS + 1)),
    ):
        with pytest.raises(InvalidFilter):
            bind_filter(text, PARCELS)
    with pytest.raises(TooLarge):
        parse_filter("a = '" + "x" * MAX_FILTER_BYTES + "'")
    with pytest.raises(TooLarge):
        parse_filter("a = '" + "田" * (MAX_FILTER_BYTES // 3) + "'")


def test_long_lists_are_read_fast() -> None:
    values = ",".join(f"'{number:06d}'" for number in range(100_000))
    started = time.thread_time()
    tree = parse_filter(f"a IN ({values})")
    assert time.thread_time() - started < 2
    assert len(tree["args"][1]) == 100_000


N = 20_000
BOMBS = {
    "parentheses": "(" * N + "SJNF=1" + ")" * N,
    "open parentheses": "(" * N,
    "a few open parentheses": "(" * 40 + "SJNF=1",
    "error inside parentheses": "(" * 40 + "SJNF=" + ")" * 40,
    "error inside functions": "f(" * 40 + "SJNF=" + ")" * 40,
    "negations": "NOT " * N + "SJNF=1",
    "signs": "SJNF=" + "-" * N + "1",
    "and chain": " AND ".join(["SJNF=1"] * N),
    "chain without blanks": "AND ".join(["SJNF=1"] * N),
    "or chain": " OR ".join(["SJNF=1"] * N),
    "arithmetic": "SJNF=" + "1-" * N + "1",
    "powers": "SJNF=" + "1^" * N + "1",
    "comparisons": "SJNF=" + "1=" * N + "1",
    "chained in": "SJNF " + "in (1) " * N,
    "quoted parentheses": "BSM = '\\'' OR " + "(" * N + "SJNF=1" + ")" * N + " OR BSM = 'x'",
    "functions": "f(" * N + "a" + ")" * N,
    "nested geometry": "S_WITHIN(geometry, " + "GEOMETRYCOLLECTION(" * N + "POINT(1 1)" + ")" * N + ")",
    "json lists": '{"op":"and","args":' + "[" * N + "]" * N + "}",
    "json conditions": '{"op":"not","args":[' * 5000 + "true" + "]}" * 5000,
    "json below the reader's limit": '{"op":"not","args":[' * 400 + "true" + "]}" * 400,
    "json literal": '{"op":"=","args":[{"property":"SJNF"},' + "[" * 900 + "]" * 900 + "]}",
    "json geometry": '{"op":"s_within","args":[{"property":"geometry"},'
    + '{"type":"GeometryCollection","geometries":[' * 300 + "]}" * 300 + "]}",
    "json chain": json.dumps({"op": "and", "args": [True] * N}),
    "json nested operator": '{"op":' * 900 + "1" + "}" * 900,
    "infinite number": "SJNF = 1e999",
    "empty geometry": '{"op":"s_within","args":[{"property":"geometry"},{}]}',
}  # fmt: skip


def test_hostile_filters_neither_end_nor_stop_the_process() -> None:
    """In a process of its own: what overflows the stack of native code cannot be caught."""
    program = textwrap.dedent("""
        import json, sys, time
        from federation.filter.bind import bind_filter
        from guotu.model.errors import GuotuError
        from tests.support.federation_parts import PARCELS
        for name, text in json.load(sys.stdin).items():
            started = time.thread_time()
            try:
                bind_filter(text, PARCELS)
                end = "read"
            except GuotuError as refusal:
                end = type(refusal).__name__
            print(json.dumps([name, end, time.thread_time() - started]), flush=True)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(BOMBS), capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout[-200:] + done.stderr[-2000:]
    ends = {name: (end, seconds) for name, end, seconds in map(json.loads, done.stdout.splitlines())}
    assert {name: end for name, (end, _) in ends.items()} == dict.fromkeys(BOMBS, "InvalidFilter")
    assert max(seconds for _, seconds in ends.values()) < 2


@settings(deadline=None)
@given(st.text(max_size=60) | st.text("()'\"=ANDORNOTab1.,-{}[]: ", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(GuotuError):
        bind_filter(text, PARCELS)
