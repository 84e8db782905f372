"""Synthetic parcels: reproducible, a true partition of each county, and a proper DLTB layer."""

import json
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from benchmarks.dltb import FIELDS, schema
from benchmarks.parcels import County, allocate, generate, generate_county, read_counties, write_parquet
from guotu.model.area import official_area_m2

SIZES = [1, 2, 3, 7, 40, 600]


def blob(lon: float, lat: float, radius: float) -> shapely.Geometry:
    """A wavy outline with a vertex every few hundred metres."""
    angle = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    reach = radius * (1 + 0.25 * np.sin(3 * angle) + 0.1 * np.sin(11 * angle))
    return shapely.polygons(np.round(np.stack([lon + reach * np.cos(angle), lat + reach * np.sin(angle)], 1), 6))


def counties() -> list[County]:
    mainland = shapely.difference(blob(106.6, 29.5, 0.2), blob(106.62, 29.52, 0.03))
    island = blob(107.2, 29.6, 0.01)
    return [
        County("500101", "甲区", blob(106.0, 29.0, 0.1)),
        County("510202", "乙县", shapely.union_all([mainland, island])),
        County("520303", "丙县", blob(107.0, 26.5, 0.05)),
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("counties") / "county.parquet"
    rows = reversed(counties())
    columns = [(one.adcode, one.name, shapely.to_wkb(one.outline)) for one in rows]
    names = ["adcode", "name", "geometry"]
    pq.write_table(pa.table(dict(zip(names, zip(*columns, strict=True), strict=True))), file)
    return file


def shapes_of(table: pa.Table) -> np.ndarray:
    return shapely.from_wkb(table["geometry"].to_numpy(zero_copy_only=False))


def test_the_same_seed_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    owners = {"500101": "500000", "510202": "510000", "520303": "500000"}
    first = write_parquet(tmp_path / "a", owners, path, 500, seed=7)
    second = write_parquet(tmp_path / "b", owners, path, 500, seed=7)
    other = write_parquet(tmp_path / "c", owners, path, 500, seed=8)
    assert list(first) == ["500000", "510000"]
    for node in first:
        assert first[node].read_bytes() == second[node].read_bytes()
        assert first[node].read_bytes() != other[node].read_bytes()


def test_a_county_is_reproducible_by_itself(path: Path) -> None:
    at = {county.adcode: (county, count) for county, count in zip(counties(), allocate(counties(), 300), strict=True)}
    for adcode, table in generate(path, 300, seed=3):
        county, count = at[adcode]
        assert generate_county(county, int(count), 3).equals(table)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("county", counties(), ids=lambda county: county.adcode)
def test_parcels_partition_their_county(county: County, count: int) -> None:
    table = generate_county(county, count, seed=1)
    shapes = shapes_of(table)
    assert len(shapes) == max(count, shapely.get_num_geometries(county.outline))
    assert shapely.is_valid(shapes).all()
    assert set(shapely.get_type_id(shapes)) == {shapely.GeometryType.POLYGON}
    assert shapely.is_ccw(shapely.get_exterior_ring(shapes)).all()
    union = shapely.union_all(shapes)
    assert shapely.area(union) == pytest.approx(county.outline.area, rel=1e-6)
    assert shapely.area(shapely.symmetric_difference(union, county.outline)) < 1e-6 * county.outline.area
    assert shapely.area(shapes).sum() == pytest.approx(shapely.area(union), rel=1e-12)


def test_neighbours_share_identical_vertices() -> None:
    county = counties()[1]
    shapes = shapes_of(generate_county(county, 400, seed=2))
    assert shapely.coverage_is_valid(shapes)
    rings = [shapely.get_coordinates(shape) for shape in shapes]
    edges = np.concatenate([np.stack([ring[:-1], ring[1:]], 1).reshape(-1, 4) for ring in rings])
    backwards = {tuple(edge) for edge in edges[:, [2, 3, 0, 1]].tolist()}
    lonely = np.array([edge for edge in edges.tolist() if tuple(edge) not in backwards]).reshape(-1, 2, 2)
    away = shapely.distance(shapely.linestrings(lonely), shapely.boundary(county.outline))
    assert away.max() < 1e-8
    assert len(lonely) < len(edges) / 4


def test_inner_parcels_have_8_to_60_vertices() -> None:
    county = counties()[0]
    shapes = shapes_of(generate_county(county, 2000, seed=0))
    inner = shapely.contains_properly(county.outline, shapes)
    vertices = shapely.get_num_coordinates(shapes[inner]) - 1
    assert inner.mean() > 0.7
    assert vertices.min() >= 8
    assert vertices.max() <= 60
    assert 15 <= vertices.mean() <= 25


def test_totals_follow_area(path: Path) -> None:
    tables = dict(generate(path, 1000, seed=0))
    assert sum(map(len, tables.values())) == 1000
    areas = {adcode: pc.sum(table["TBMJ"]).as_py() for adcode, table in tables.items()}
    for adcode, table in tables.items():
        assert len(table) == pytest.approx(1000 * areas[adcode] / sum(areas.values()), abs=2.5)
    assert allocate(counties(), 1).tolist() == [1, 2, 1]


def test_area_agrees_with_geographiclib() -> None:
    table = generate_county(counties()[2], 300, seed=4)
    # Points every 10 m or so: geodesics then follow edges that are straight in longitude and latitude.
    dense = shapely.segmentize(shapes_of(table), 1e-4)
    geod = pyproj.Geod(a=6378137.0, rf=298.257222101)
    oracle = np.array([geod.geometry_area_perimeter(shape)[0] for shape in dense])
    area = table["TBMJ"].to_numpy()
    assert (np.abs(area - oracle) <= np.maximum(0.02, 1e-6 * oracle)).all()


def test_area_is_the_official_one_on_real_outlines() -> None:
    table = generate_county(read_counties()[0], 200, seed=0)
    official = official_area_m2(shapes_of(table))
    area = table["TBMJ"].to_numpy()
    assert (np.abs(area - official) <= np.maximum(0.02, 1e-6 * official)).all()


def test_real_counties_are_partitioned() -> None:
    for county in read_counties()[::25]:
        shapes = shapes_of(generate_county(county, 80, seed=0))
        assert len(shapes) == 80
        assert shapely.is_valid(shapes).all()
        assert shapely.coverage_is_valid(shapes)
        assert shapely.area(shapes).sum() == pytest.approx(county.outline.area, rel=1e-6)
        assert shapely.area(shapely.union_all(shapes)) == pytest.approx(county.outline.area, rel=1e-6)


def test_schema_is_the_standard_s_in_its_order() -> None:
    table = generate_county(counties()[0], 50, seed=0)
    assert table.schema.equals(schema(), check_metadata=True)
    assert table.column_names == [*FIELDS, "geometry"]
    assert len(FIELDS) == 30
    number = {"TBMJ", "KCXS", "KCMJ", "TBDLMJ", "XZDWKD"}
    for field in table.schema:
        whole = pa.int64() if field.name in {"SJNF", "GDDB"} else pa.string()
        wanted = pa.binary() if field.name == "geometry" else pa.float64() if field.name in number else whole
        assert field.type == wanted, field.name
    metadata = table.schema.field("geometry").metadata
    assert metadata[b"ARROW:extension:name"] == b"geoarrow.wkb"
    crs = json.loads(metadata[b"ARROW:extension:metadata"])["crs"]
    assert pyproj.CRS.from_json_dict(crs).to_epsg() == 4490


def test_keys_and_codes(path: Path) -> None:
    tables = dict(generate(path, 2000, seed=0))
    keys = pa.chunked_array([table["BSM"].combine_chunks() for table in tables.values()])
    assert pc.count_distinct(keys).as_py() == 2000
    for adcode, table in tables.items():
        assert pc.all(pc.match_substring_regex(table["BSM"], f"^{adcode}2110[0-9]{{8}}$")).as_py()
        assert pc.all(pc.match_substring_regex(table["ZLDWDM"], f"^{adcode}[0-9]{{6}}0{{7}}$")).as_py()
        assert pc.all(pc.match_substring_regex(table["QSDWDM"], f"^{adcode}[0-9]{{13}}$")).as_py()
        in_village = table.group_by(["ZLDWDM", "TBBH"]).aggregate([([], "count_all")])
        assert pc.max(in_village["count_all"]).as_py() == 1
        assert set(table["MSSM"].to_pylist()) == {"00"}
        assert set(table["SJNF"].to_pylist()) <= set(range(2019, 2025))


def test_deducted_areas_close() -> None:
    rows = generate_county(counties()[0], 800, seed=5).to_pylist()
    cent = Decimal("0.01")
    deducted = [row for row in rows if row["KCDLBM"] is not None]
    assert {row["KCDLBM"] for row in deducted} == {"1203"}
    assert {row["DLBM"][:2] for row in deducted} == {"01"}
    for row in rows:
        area, share, ridge, land = (Decimal(str(row[name])) for name in ("TBMJ", "KCXS", "KCMJ", "TBDLMJ"))
        assert ridge == (area * share).quantize(cent, ROUND_HALF_UP)
        assert land == area - ridge
        assert area == area.quantize(cent)
        assert (row["KCDLBM"] is None) == (share == 0)


def test_cultivated_land_alone_has_its_fields() -> None:
    table = generate_county(counties()[1], 1500, seed=6)
    tilled = pc.starts_with(table["DLBM"], "01")
    for name in ("GDPDJB", "GDDB", "ZZSXDM"):
        assert pc.is_valid(table[name]).equals(tilled), name
    assert table["TBYBH"].null_count == pytest.approx(750, abs=120)
    optional = ("TBYBH", "KCDLBM", "GDLX", "GDPDJB", "ZZSXDM", "ZZSXMC", "GDDB", "CZCSXM")
    assert all(0 < table[name].null_count < len(table) for name in optional)


def test_counties_differ_in_their_mix_of_classes() -> None:
    def share(county: County) -> float:
        table = generate_county(county, 1500, seed=0)
        return float(pc.mean(pc.cast(pc.equal(table["DLBM"], "0103"), pa.float64())).as_py())

    shares = [share(county) for county in counties()]
    assert max(shares) - min(shares) > 0.01
    assert max(shares) < 0.6


def test_files_are_geoparquet(path: Path, tmp_path: Path) -> None:
    files = write_parquet(tmp_path, {"510202": "510200-zr"}, path, 400, seed=1)
    file = pq.ParquetFile(files["510200-zr"])
    geo = json.loads(file.metadata.metadata[b"geo"])
    column = geo["columns"]["geometry"]
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    assert (column["encoding"], column["geometry_types"]) == ("WKB", ["Polygon"])
    assert pyproj.CRS.from_json_dict(column["crs"]).to_epsg() == 4490
    table = file.read()
    assert column["bbox"] == pytest.approx(shapely.total_bounds(shapes_of(table)).tolist(), abs=1e-8)
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert {wkb[0] for wkb in table["geometry"].to_pylist()} == {1}


def test_faults_are_named(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no county 999999"):
        write_parquet(tmp_path / "out", {"999999": "990000"}, path, 100)
    assert not (tmp_path / "out").exists()
    twice = tmp_path / "twice.parquet"
    pq.write_table(pa.concat_tables([pq.read_table(path)] * 2), twice)
    with pytest.raises(ValueError, match="adcode is not unique"):
        read_counties(twice)
