"""What every feature store does with filters: each kind, three-valued logic, exact numbers, spatial relations."""

from datetime import date

import pyarrow as pa
import pytest
import pytest_asyncio
import shapely

from guotu.model.collection import GeometryType
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
)
from guotu.model.ports import FeatureStore, Scan
from guotu.model.schema import arrow_schema
from tests.support.features import parcels, sample_collection
from tests.support.stores import fetch, load

pytestmark = pytest.mark.asyncio(loop_scope="module")

COLLECTION = sample_collection()
LT, LE, EQ, NE, GE, GT = (Comparison(sign) for sign in ("<", "<=", "=", "<>", ">=", ">"))
ROWS = [
    # BSM, DLBM, ZLDWDM, TBMJ, TBDLMJ, GDDB, KCXS, DCRQ, SFYX, geometry
    ("a", "0101", "510104001", 12.34, 12.34, 5, 0.1, date(2024, 2, 29), True, "POLYGON((0 0,2 0,2 2,0 2,0 0))"),
    ("b", "0102", "510105", 12.35, 12.34, -5, 0.2, date(2020, 1, 1), False, "POLYGON((4 0,6 0,6 2,4 2,4 0))"),
    ("c", "水田", "513221", 0.0, 0.01, 0, 0.3, date(1999, 12, 31), True, "POLYGON((0 0,4 0,0 4,0 0))"),
    ("d", "01_%\\", "51", -1.5, -2.0, 15, 1e300, None, None, "POLYGON EMPTY"),
    ("e", "", "", 9999999999999.99, None, 2**53 + 1, -0.5, date(2024, 2, 29), False, None),
    ("f", None, None, None, None, None, None, None, None, "POLYGON((1 1,5 1,5 5,1 5,1 1))"),
    ("g", "0101\n", "510104", 100.0, 100.0, 2, 0.0, date(2024, 3, 1), True, "POLYGON((9 9,10 9,10 10,9 10,9 9))"),
]
ALL = "abcdefg"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def filled(shared_features: FeatureStore) -> FeatureStore:
    columns = [list(column) for column in zip(*ROWS, strict=True)]
    columns[-1] = [shapely.to_wkb(shapely.from_wkt(text)) if text else None for text in columns[-1]]
    schema = arrow_schema(COLLECTION)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=schema)
    await load(shared_features, table)
    return shared_features


async def keys(store: FeatureStore, expression: Expression) -> str:
    found = await fetch(store, COLLECTION, Scan(("BSM",), filter=expression))
    return "".join(sorted(found["BSM"].to_pylist()))


COMPARISONS = [
    (Compare("DLBM", EQ, "0101"), "a"),
    (Compare("DLBM", EQ, "水田"), "c"),
    (Compare("DLBM", EQ, ""), "e"),
    (Compare("DLBM", NE, "0101"), "bcdeg"),
    (Compare("DLBM", GT, "0102"), "cd"),
    (Compare("DLBM", LE, "0101"), "ae"),
    (Compare("TBMJ", EQ, 12.34), "a"),
    (Compare("TBMJ", GT, 12.345), "beg"),
    (Compare("TBMJ", GE, 12.345), "beg"),
    (Compare("TBMJ", LT, 12.345), "acd"),
    (Compare("TBMJ", LE, 12.345), "acd"),
    (Compare("TBMJ", EQ, 12.345), ""),
    (Compare("TBMJ", NE, 12.345), "abcdeg"),
    (Compare("TBMJ", LT, -1.499), "d"),
    (Compare("TBMJ", EQ, 100), "g"),
    (Compare("TBMJ", EQ, 9999999999999.99), "e"),
    (Compare("TBMJ", LT, 1e300), "abcdeg"),
    (Compare("TBMJ", GE, -1e300), "abcdeg"),
    (Compare("TBMJ", GT, 1e300), ""),
    (Compare("TBMJ", GT, 10**50), ""),
    (Compare("GDDB", EQ, 5.0), "a"),
    (Compare("GDDB", EQ, 5.5), ""),
    (Compare("GDDB", GT, 1.5), "adeg"),
    (Compare("GDDB", LT, -4.5), "b"),
    (Compare("GDDB", GE, -5), "abcdeg"),
    (Compare("GDDB", EQ, 2**53 + 1), "e"),
    (Compare("GDDB", GT, 2**53), "e"),
    (Compare("GDDB", LT, 2**80), "abcdeg"),
    (Compare("KCXS", EQ, 0.1), "a"),
    (Compare("KCXS", GT, 1), "d"),
    (Compare("KCXS", LT, 10**400), "abcdeg"),
    (Compare("KCXS", LE, 0), "eg"),
    (Compare("DCRQ", EQ, date(2024, 2, 29)), "ae"),
    (Compare("DCRQ", GT, date(2024, 2, 29)), "g"),
    (Compare("SFYX", EQ, True), "acg"),
    (Compare("SFYX", NE, True), "be"),
    (CompareFields("TBMJ", EQ, "TBDLMJ"), "ag"),
    (CompareFields("TBMJ", GT, "TBDLMJ"), "bd"),
    (CompareFields("GDDB", LT, "TBMJ"), "abg"),
    (CompareFields("DLBM", GT, "ZLDWDM"), "c"),
    (CompareFields("KCXS", GT, "GDDB"), "bcd"),
]
SETS = [
    (Between("TBMJ", 0, 12.345), "ac"),
    (Between("DCRQ", date(2020, 1, 1), date(2024, 2, 29)), "abe"),
    (Between("DLBM", "0101", "0102"), "abg"),
    (Between("GDDB", 5, 2), ""),
    (In("DLBM", ("0101", "水田", "nix")), "ac"),
    (In("TBMJ", (12.34, 12.345, 100, 1e200)), "ag"),
    (In("TBMJ", (12.345,)), ""),
    (In("GDDB", (5.0, 2, 2**70)), "ag"),
    (In("KCXS", (0.1, 0.3)), "ac"),
    (In("DCRQ", (date(2024, 3, 1),)), "g"),
    (In("SFYX", (False,)), "be"),
    (In("DLBM", ()), ""),
    (In("DLBM", (*map(str, range(5000)), "0102")), "b"),
    (IsNull("DLBM"), "f"),
    (IsNull("geometry"), "e"),
    (Always(True), ALL),
    (Always(False), ""),
    (And(()), ALL),
    (Or(()), ""),
]
PATTERNS = [
    ("01%", "abdg"),
    ("010_", "ab"),
    ("____", "ab"),
    ("__", "c"),
    ("%\n", "g"),
    ("%", "abcdeg"),
    ("", "e"),
    ("0101", "a"),
    ("01\\_%", "d"),
    ("01_\\%\\\\", "d"),
    ("%田", "c"),
    ("\\0101", "a"),
    ("%1%1%", "ag"),
]
LOGIC = [
    # null is neither true nor false, and stays so under NOT
    (Not(Compare("DLBM", EQ, "0101")), "bcdeg"),
    (Not(Compare("TBMJ", EQ, 12.345)), "abcdeg"),
    (Not(Compare("TBMJ", GT, 1e300)), "abcdeg"),
    (Not(Compare("TBMJ", LT, 1e300)), ""),
    (Not(In("TBMJ", (12.345,))), "abcdeg"),
    (Not(In("TBMJ", (12.34,))), "bcdeg"),
    (Not(In("DLBM", ())), ALL),
    (Not(Like("DLBM", "01%")), "ce"),
    (Not(Between("TBMJ", 0, 12.345)), "bdeg"),
    (Not(IsNull("DLBM")), "abcdeg"),
    (Not(CompareFields("TBMJ", EQ, "TBDLMJ")), "bcd"),
    (And((Compare("DLBM", EQ, "0101"), Compare("TBMJ", GT, 0))), "a"),
    (Or((Compare("DLBM", EQ, "0101"), IsNull("TBMJ"))), "af"),
    (Not(Or((Compare("SFYX", EQ, True), Compare("GDDB", EQ, 15)))), "be"),
    (Not(And((Compare("SFYX", EQ, True), Compare("GDDB", EQ, 15)))), "abceg"),
    (Or((Not(Compare("SFYX", EQ, True)), And((IsNull("DCRQ"), IsNull("TBMJ"))))), "bef"),
]


@pytest.mark.parametrize(("expression", "expected"), COMPARISONS + SETS + LOGIC, ids=str)
async def test_filters(filled: FeatureStore, expression: Expression, expected: str) -> None:
    assert await keys(filled, expression) == expected


@pytest.mark.parametrize(("pattern", "expected"), PATTERNS)
async def test_like(filled: FeatureStore, pattern: str, expected: str) -> None:
    assert await keys(filled, Like("DLBM", pattern)) == expected


WINDOW = "POLYGON((0 0,2 0,2 2,0 2,0 0))"
SPATIAL = [
    (SpatialRelation.INTERSECTS, WINDOW, "acf"),
    (SpatialRelation.INTERSECTS, "POLYGON((2 0,4 0,4 2,2 2,2 0))", "abcf"),
    (SpatialRelation.INTERSECTS, "POLYGON((3 3,3.5 3,3.5 3.5,3 3.5,3 3))", "f"),
    (SpatialRelation.INTERSECTS, "POLYGON((-1 -1,20 -1,20 20,-1 20,-1 -1))", "abcfg"),
    (SpatialRelation.INTERSECTS, "POLYGON((3 0,5 3,0 5,3 0))", "abcf"),
    (SpatialRelation.INTERSECTS, "POINT(2 2)", "acf"),
    (SpatialRelation.INTERSECTS, "LINESTRING(6 2,9 9)", "bg"),
    (SpatialRelation.INTERSECTS, "MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((9 9,10 9,10 10,9 9)))", "acfg"),
    (SpatialRelation.INTERSECTS, "POLYGON EMPTY", ""),
    (SpatialRelation.WITHIN, WINDOW, "a"),
    (SpatialRelation.WITHIN, "POLYGON((-1 -1,20 -1,20 20,-1 20,-1 -1))", "abcfg"),
    (SpatialRelation.WITHIN, "POLYGON((-1 -1,9 -1,-1 9,-1 -1))", "abc"),
    (SpatialRelation.WITHIN, "POLYGON EMPTY", ""),
    (SpatialRelation.CONTAINS, "POINT(1 1)", "ac"),
    (SpatialRelation.CONTAINS, "POLYGON((0 0,1 0,1 1,0 1,0 0))", "ac"),
    (SpatialRelation.CONTAINS, "LINESTRING(4 1,5 2)", "bf"),
    (SpatialRelation.CONTAINS, "POLYGON EMPTY", ""),
    (SpatialRelation.DISJOINT, WINDOW, "bdg"),
    (SpatialRelation.DISJOINT, "POINT(50 50)", "abcdfg"),
    (SpatialRelation.DISJOINT, "POLYGON EMPTY", "abcdfg"),
]


@pytest.mark.parametrize(("relation", "wkt", "expected"), SPATIAL)
@pytest.mark.parametrize("byte_order", [0, 1])
async def test_spatial_relations(
    filled: FeatureStore, relation: SpatialRelation, wkt: str, expected: str, byte_order: int
) -> None:
    spatial = Spatial(relation, shapely.to_wkb(shapely.from_wkt(wkt), byte_order=byte_order))
    assert await keys(filled, spatial) == expected
    # where there is no geometry, a relation neither holds nor does not
    assert await keys(filled, Not(spatial)) == "".join(key for key in "abcdfg" if key not in expected)


async def test_what_runs_along_the_edge_of_a_window_is_not_within(features: FeatureStore) -> None:
    lines = sample_collection(GeometryType.LINE)
    table = parcels(3)
    shapes = [shapely.LineString(ends) for ends in ([(0, 0), (0, 2)], [(0, 0), (2, 2)], [(1, 1), (1, 2)])]
    table = table.set_column(9, table.schema.field("geometry"), pa.array(shapely.to_wkb(shapes), pa.binary()))
    await load(features, table, collection=lines)
    window = shapely.to_wkb(shapely.box(0, 0, 2, 2))
    found = await fetch(features, lines, Scan(("BSM",), filter=Spatial(SpatialRelation.WITHIN, window)))
    assert sorted(found["BSM"].to_pylist()) == sorted(table["BSM"].to_pylist()[1:])


MISFITS = [
    Compare("TBMJ", EQ, "12"),
    Compare("GDDB", EQ, True),
    Compare("DLBM", EQ, 1),
    Compare("DCRQ", EQ, "2024-02-29"),
    Compare("SFYX", EQ, 1),
    Compare("DLBM", EQ, "\ud800"),
    Compare("TBMJ", EQ, float("nan")),
    CompareFields("DLBM", EQ, "GDDB"),
    In("GDDB", (1, "2")),
    Between("DCRQ", date(2024, 1, 1), 5),
    Like("GDDB", "1%"),
    Like("DLBM", "1\\"),
    Like("DLBM", "1\\\\\\"),
    Spatial(SpatialRelation.INTERSECTS, b"no geometry"),
]


@pytest.mark.parametrize("expression", MISFITS, ids=str)
async def test_literals_that_do_not_suit_are_refused(filled: FeatureStore, expression: Expression) -> None:
    with pytest.raises(InvalidFilter):
        await keys(filled, expression)


@pytest.mark.parametrize("name", ["NIX", "_xmin", "bsm", 'BSM" OR TRUE --'])
async def test_only_fields_of_the_collection_are_known(filled: FeatureStore, name: str) -> None:
    for expression in (Compare(name, EQ, "x"), CompareFields("BSM", EQ, name), IsNull(name), Like(name, "x")):
        with pytest.raises(UnknownField):
            await keys(filled, expression)


async def test_values_are_never_sql(filled: FeatureStore) -> None:
    for text in ("' OR TRUE --", "$1", "%s", "'; DROP TABLE guotu_versions; --", "\x00"):
        assert await keys(filled, Compare("DLBM", EQ, text)) == ""
        assert await keys(filled, In("DLBM", (text, "0101"))) == "a"
    assert len(await filled.versions()) == 1


async def test_a_relation_needs_a_geometry(features: FeatureStore) -> None:
    plain = sample_collection(GeometryType.NONE)
    await load(features, parcels(0), collection=plain)
    spatial = Spatial(SpatialRelation.INTERSECTS, shapely.to_wkb(shapely.Point(0, 0)))
    for expression in (spatial, IsNull("geometry")):
        with pytest.raises(UnknownField, match="geometry"):
            await fetch(features, plain, Scan(("BSM",), filter=expression))
