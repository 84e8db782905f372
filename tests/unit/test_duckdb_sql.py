"""SQL of the DuckDB store: exact comparisons, parameters, quoting; and faults without values."""

from datetime import date
from decimal import Decimal

import duckdb
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from guotu.model.collection import Collection, Family, Field, FieldType, GeometryType
from guotu.model.errors import DiskFull, InvalidQuestion, StoreFailure
from guotu.model.expression import And, Compare, Comparison, Expression, In, Like, Spatial, SpatialRelation
from guotu.model.ports import Grouping, Scan
from guotu.model.question import Aggregate, AggregateFunction, SortKey
from guotu.model.schema import stored_schema
from node.stores.duckdb.catalogue import Generation, View
from node.stores.duckdb.failures import DrawingFault, describe, engine_faults
from node.stores.duckdb.sql.dialect import DUCKDB
from node.stores.duckdb.sql.grouping import grouping_statement
from node.stores.duckdb.sql.retrieval import scan_statement
from node.stores.duckdb.sql.source import conformed
from node.stores.duckdb.sql.types import table_columns
from node.stores.sql.expressions import where_clause
from node.stores.sql.numbers import exact_range, settle
from node.stores.sql.parameters import Parameters
from tests.support.features import sample_collection

COLLECTION = sample_collection()
HUNDREDTHS = Field("x", "x", FieldType.DECIMAL, width=5, decimals=2)
INTEGER = Field("n", "n", FieldType.INTEGER)
OUTCOMES = {
    Comparison.EQ: lambda x, y: x == y,
    Comparison.NE: lambda x, y: x != y,
    Comparison.LT: lambda x, y: x < y,
    Comparison.LE: lambda x, y: x <= y,
    Comparison.GT: lambda x, y: x > y,
    Comparison.GE: lambda x, y: x >= y,
}


def view(collection: Collection = COLLECTION, *, head: bool = True, base: int = 3, **state: int) -> View:
    """Version 7, whose base is 3, in a table in the order of `base`."""
    generation = Generation("g", "510000/tb", 't"', collection.key, table_columns(collection), {}, base, **state)
    return View(generation, 7, 100, head, base=3, changes=9)


def where(expression: Expression) -> tuple[str, list[object]]:
    parameters = Parameters()
    return where_clause(DUCKDB, COLLECTION, expression, parameters), list(parameters.values)


@given(
    st.decimals("-999.99", "999.99", places=2),
    st.sampled_from(Comparison),
    st.floats(-1100, 1100).map(lambda x: Decimal(repr(round(x, 4)))) | st.floats(allow_nan=False).map(Decimal),
)
def test_a_settled_comparison_has_the_same_outcome(value: Decimal, sign: Comparison, literal: Decimal) -> None:
    held = exact_range(HUNDREDTHS)
    settled = settle(sign, literal, held)
    outcome = settled if isinstance(settled, bool) else OUTCOMES[settled[0]](value, settled[1])
    assert outcome == OUTCOMES[sign](value, literal)


@pytest.mark.parametrize(
    ("sign", "literal", "settled"),
    [
        (Comparison.GT, "12.345", (Comparison.GT, Decimal("12.34"))),
        (Comparison.GE, "12.345", (Comparison.GE, Decimal("12.35"))),
        (Comparison.LT, "-12.345", (Comparison.LT, Decimal("-12.34"))),
        (Comparison.LE, "-12.345", (Comparison.LE, Decimal("-12.35"))),
        (Comparison.EQ, "12.34", (Comparison.EQ, Decimal("12.34"))),
        (Comparison.EQ, "12.345", False),
        (Comparison.NE, "12.345", True),
        (Comparison.LT, "1000", True),
        (Comparison.GT, "Infinity", False),
        (Comparison.GE, "-1E+400", True),
    ],
)
def test_comparisons_with_what_a_column_cannot_hold(sign: Comparison, literal: str, settled: object) -> None:
    assert settle(sign, Decimal(literal), exact_range(HUNDREDTHS)) == settled


def test_bound_numbers_have_the_digits_of_their_column() -> None:
    # The engine's client reads Decimal("1E+3") as 1.00, so no exponent above zero may reach it.
    for literal, expected in ((1000.0, "1000"), (1e18, "1000000000000000000")):
        settled = settle(Comparison.EQ, Decimal(repr(literal)), exact_range(INTEGER))
        assert not isinstance(settled, bool)
        assert str(settled[1]) == expected


def test_values_travel_beside_the_text() -> None:
    text, values = where(And((Compare("DLBM", Comparison.EQ, "secret"), Like("BSM", "51%"), In("GDDB", (5, 6)))))
    assert text == (
        ' WHERE ((f."DLBM" = $1::VARCHAR) AND (f."BSM" LIKE $2::VARCHAR)'
        ' AND (f."GDDB" IN (SELECT unnest($3::BIGINT[]))))'
    )
    assert values == ["secret", "51%", [5, 6]]


def test_an_escape_is_declared_where_there_is_one() -> None:
    assert where(Like("BSM", "51\\_%")) == (" WHERE (f.\"BSM\" LIKE $1::VARCHAR ESCAPE '\\')", ["51\\_%"])


def test_names_are_quoted() -> None:
    odd = 'a"b; DROP'
    fields = (Field(odd, odd, FieldType.DATE),)
    collection = Collection("x", Family.STATUS, "", "", GeometryType.NONE, odd, fields)
    filter = Compare(odd, Comparison.LT, date(2024, 1, 1))
    statement = scan_statement(view(collection), collection, Scan((odd,), filter, (SortKey(odd, True),), 5))
    assert statement.text == (
        'SELECT f."a""b; DROP" FROM "t""" AS f WHERE (f."a""b; DROP" < $1::DATE)'
        ' ORDER BY f."a""b; DROP" DESC NULLS LAST, f."a""b; DROP" ASC NULLS LAST LIMIT $2::BIGINT'
    )
    assert statement.parameters == [date(2024, 1, 1), 5]


@pytest.mark.parametrize("state", [{"base": 2}, {"recent": 5, "loose": True}, {"head": False}])
def test_only_what_is_out_of_order_is_sorted(state: dict[str, int]) -> None:
    order = ' ORDER BY f._since > $1::BIGINT, f."_place", f."BSM"'
    scan = Scan(("BSM",))
    assert scan_statement(view(recent=5), COLLECTION, scan).text == 'SELECT f."BSM" FROM "t""" AS f'
    statement = scan_statement(view(**state), COLLECTION, scan)  # type: ignore[arg-type]
    assert statement.text.endswith(order if state.get("head", True) else order.replace("$1", "$2"))
    assert statement.parameters[-1] == 3


def test_rows_that_have_ended_are_left_out() -> None:
    text = scan_statement(view(dead=4), COLLECTION, Scan(("BSM",))).text
    assert text.endswith(' FROM "t""" WHERE _until IS NULL) AS f')


@pytest.mark.parametrize("moved", [7, 8])
def test_an_older_version_is_read_from_history_too_where_that_may_have_rows_of_it(moved: int) -> None:
    plain = Collection("x", Family.STATUS, "", "", GeometryType.NONE, "k", (Field("k", "k", FieldType.INTEGER),))
    older = view(plain, head=False, moved=moved)
    statement = scan_statement(older, plain, Scan(("k",), Compare("k", Comparison.GT, 5), limit=3))
    columns = '"k" AS "k", "_place" AS "_place", "_hash" AS "_hash", _since'
    had = "WHERE _since <= $1::BIGINT AND (_until IS NULL OR _until > $1::BIGINT)"
    history = f' UNION ALL SELECT {columns} FROM "history_g" {had}' if moved == 8 else ""
    assert statement.text == (
        f'SELECT f."k" FROM (SELECT {columns} FROM "t""" {had}{history}) AS f '
        'WHERE (f."k" > $2::BIGINT) ORDER BY f._since > $3::BIGINT, f."_place", f."k" LIMIT $4::BIGINT'
    )
    assert statement.parameters == [7, 5, 3, 3]


def test_columns_of_an_older_definition_are_renamed_cast_or_null() -> None:
    fields = (
        Field("k", "k", FieldType.TEXT),
        Field("new", "n", FieldType.DATE, renamed_from="old"),
        Field("wide", "w", FieldType.DECIMAL, width=18, decimals=3, renamed_from="old"),
        Field("more", "m", FieldType.DOUBLE),
    )
    collection = Collection("x", Family.STATUS, "", "", GeometryType.NONE, "k", fields)
    there = {"k": "VARCHAR", "old": "DATE", "wide": "DECIMAL(15,2)", "_place": "UINTEGER", "_hash": "BLOB"}
    assert conformed(collection, there) == (
        '"k" AS "k", "old" AS "new", "wide"::DECIMAL(18,3) AS "wide", NULL::DOUBLE AS "more", '
        '"_place" AS "_place", "_hash" AS "_hash"'
    )


@pytest.mark.parametrize(
    ("wkt", "shortcut"),
    [
        ("POLYGON((0 0,2 0,2 1,0 1,0 0))", True),
        ("POLYGON((2 1,2 0,0 0,0 1,2 1))", True),
        ("POLYGON((0 0,2 0,2 1,0 0))", True),
        ("POLYGON((0 0,1 -1,2 0,1 1,0 0))", True),
        ("POLYGON((0 0,2 1,2 0,0 1,0 0))", False),
        ("POLYGON((0 0,2 0,2 1,0 1,0 0),(0.5 0.5,1 0.5,1 0.7,0.5 0.5))", True),
        ("POLYGON((0 0,2 0,2 2,0 0.01,0 0))", True),
        ("POLYGON EMPTY", False),
        ("POINT(1 1)", False),
    ],
)
def test_only_sound_polygons_spare_the_exact_test(wkt: str, shortcut: bool) -> None:
    wkb = shapely.to_wkb(shapely.from_wkt(wkt))
    for relation in (SpatialRelation.INTERSECTS, SpatialRelation.WITHIN):
        text, _ = where(Spatial(relation, wkb))
        assert (" OR " in text) is shortcut
    for relation in (SpatialRelation.CONTAINS, SpatialRelation.DISJOINT):
        text, _ = where(Spatial(relation, wkb))
        assert 'f."_xmin" ' in text
        assert 'ST_GeomFromWKB(f."geometry")' in text


def test_a_geometry_reaches_the_engine_in_one_form() -> None:
    shape = shapely.set_srid(shapely.from_wkt("POLYGON Z((0 0 9,2 0 9,2 1 9,0 0 9))"), 4490)
    odd = shapely.to_wkb(shape, byte_order=0, flavor="extended", include_srid=True)
    _, values = where(Spatial(SpatialRelation.INTERSECTS, odd))
    assert values[:5] == [0.0, 0.0, 2.0, 1.0, shapely.to_wkb(shapely.force_2d(shape), byte_order=1)]


def test_decimals_are_kept_as_such() -> None:
    columns = table_columns(COLLECTION)
    assert columns["TBMJ"] == "DECIMAL(15,2)"
    kept = ["_xmin", "_ymin", "_xmax", "_ymax", "_place", "_hash"]
    assert [name for name in columns if name.startswith("_")] == kept
    assert [*columns] == stored_schema(COLLECTION).names
    assert "geometry" not in table_columns(sample_collection(GeometryType.NONE))


def test_an_aggregation_asks_for_one_group_more_than_allowed() -> None:
    total = Aggregate(AggregateFunction.SUM, "KCXS", "total")
    statement = grouping_statement(view(), COLLECTION, Grouping(("prefecture", "TBMJ"), (total,), max_groups=9))
    assert statement.text == (
        'SELECT left(left(f."ZLDWDM", 4) || \'000000\', 6), f."TBMJ"::DOUBLE, '
        'sum(f."KCXS"::DECIMAL(38,9))::DECIMAL(38,9) FROM "t""" AS f GROUP BY 1, 2 LIMIT $1::BIGINT'
    )
    assert statement.parameters == [10]


def test_a_mean_is_not_for_stores() -> None:
    with pytest.raises(InvalidQuestion):
        grouping_statement(view(), COLLECTION, Grouping((), (Aggregate(AggregateFunction.AVG, "TBMJ", "mean"),)))


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT 'top secret'::INTEGER", "Conversion Error"),
        ("SELECT * FROM top_secret", "Catalog Error"),
        ("SELECT error('top secret')", "Invalid Input Error"),
        ("SELECT * FROM read_parquet('/top/secret.parquet')", "IO Error"),
    ],
)
def test_faults_of_the_engine_tell_their_kind_and_no_values(sql: str, kind: str) -> None:
    with pytest.raises(StoreFailure) as raised, engine_faults("reading 510000/tb@1"):
        duckdb.connect().execute(sql).fetchall()
    assert str(raised.value.facts["detail"]).startswith(f"reading 510000/tb@1: {kind}")
    assert "secret" not in raised.value.message
    assert raised.value.__cause__ is None


def test_faults_that_come_through_arrow_and_from_the_system() -> None:
    assert describe(OSError("Out of Memory Error: 17 secrets")).startswith("Out of Memory Error;")
    assert describe(FileNotFoundError(2, "No such file or directory", "/secret")) == "No such file or directory"
    assert describe(OSError("secret")) == "OSError"
    assert describe(OSError(28, "No space left on device", "/secret/store.duckdb")).startswith("磁盘已满")


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        (OSError(28, "No space left on device", "/secret/a.arrow"), "a.arrow (staging 510000/tb@1)"),
        (OSError(122, "Disk quota exceeded"), "store (staging 510000/tb@1)"),
        (
            duckdb.IOException('IO Error: Could not write file "/secret/store.duckdb": No space left on device'),
            "store.duckdb (staging 510000/tb@1)",
        ),
        (
            duckdb.TransactionException(
                "TransactionContext Error: Failed to commit: "
                'Could not write file "/secret/store.duckdb.wal": Disk quota exceeded'
            ),
            "store.duckdb.wal (staging 510000/tb@1)",
        ),
    ],
)
def test_a_disk_without_room_is_named_by_its_file_alone(fault: Exception, place: str) -> None:
    with pytest.raises(DiskFull) as raised, engine_faults("staging 510000/tb@1"):
        raise fault
    assert raised.value.facts == {"place": place}
    assert "secret" not in raised.value.message


def test_a_value_that_reads_like_a_full_disk_is_none() -> None:
    text = 'Could not write file "/secret": No space left on device'
    with pytest.raises(StoreFailure) as raised, engine_faults("reading 510000/tb@1"):
        duckdb.connect().execute("SELECT ?::INTEGER", [text])
    assert type(raised.value) is StoreFailure
    assert "secret" not in raised.value.message


def test_what_rows_of_a_caller_raised_is_raised_as_it_was() -> None:
    cause = ValueError("cause")
    for error in (OSError(28, "No space left"), duckdb.IOException("IO Error: theirs")):
        error.__cause__ = cause
        with pytest.raises(type(error)) as raised, engine_faults("staging 510000/tb@1"):
            raise DrawingFault(error)
        assert raised.value is error
        assert error.__cause__ is cause
