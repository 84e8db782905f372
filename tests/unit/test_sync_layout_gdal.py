"""GDAL opens a base chunk, and sees what is in it.

GDAL has two drivers for Parquet. The one named Parquet, on libarrow, is in no wheel; the one named ADBC is in that of
pyogrio. It has DuckDB (the library in DuckDB's wheel, through its Arrow interface) read the columns. What makes a layer
of them is GDAL's own: it reads the "geo" metadata for geometry column, type, CRS and extent, hides the covering and
filters by it, and maps the types of fields. So these tests show that GDAL understands a chunk as a layer; they do not
show that libarrow reads its pages, which the tests with geopandas and pyarrow do.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import duckdb_extension_spatial
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from guotu.model.crs import MESH_CRS, crs_projjson
from sync.datafile import DataFile
from tests.support.laid_out import SMALL, lay_out
from tests.support.sync_samples import PARCELS, TABLE, as_rows, parcels

WINDOW = (103.9, 30.5, 104.0, 30.6)
FIELDS = ["BSM", "DLMC", "TBMJ", "GDPDJB", "GXSJ", "YXSJ", "KD"]


class Gdal:
    """GDAL with its ADBC driver, on DuckDB with or without the spatial extension."""

    def __init__(self, spatial: bool) -> None:
        drivers, engine = pyogrio.list_drivers(), find_spec("_duckdb")
        assert "r" in drivers.get("ADBC", ""), "this GDAL has no ADBC driver: pip install 'pyogrio>=0.12'"
        assert engine is not None, "DuckDB's library is missing: pip install duckdb==1.5.5"
        assert engine.origin is not None
        assert b"duckdb_adbc_init" in Path(engine.origin).read_bytes(), (
            "this DuckDB has no Arrow interface for GDAL: pip install --force-reinstall duckdb==1.5.5"
        )
        self._options = {"ADBC_DRIVER": engine.origin}
        if spatial:
            (extension,) = Path(duckdb_extension_spatial.__path__[0]).rglob("spatial.duckdb_extension")
            self._options["PRELUDE_STATEMENTS"] = f"LOAD '{extension}'"

    def info(self, chunk: DataFile) -> dict[str, object]:
        """Return what GDAL says of the layer."""
        found: dict[str, object] = pyogrio.read_info(f"ADBC:{chunk.path}", **self._options)
        return found

    def rows(self, chunk: DataFile, **selection: object) -> pa.Table:
        """Return the rows as GDAL's Arrow stream has them."""
        return pyogrio.read_arrow(f"ADBC:{chunk.path}", **selection, **self._options)[1]


@pytest.fixture(params=[False, True], ids=["plain", "spatial"])
def gdal(request: pytest.FixtureRequest) -> Gdal:
    return Gdal(request.param)


def content(chunk: DataFile) -> pa.Table:
    return pq.ParquetFile(chunk.path).read().drop_columns("bbox")


def assert_same(seen: pa.Table, held: pa.Table) -> None:
    """Names, types and values alike, in the same order; GDAL does not know which columns may not be null."""
    assert (seen.schema.names, seen.schema.types) == (held.schema.names, held.schema.types)
    for name in held.schema.names:
        assert seen[name].equals(held[name]), name


def test_the_layer_is_what_the_chunk_says(gdal: Gdal, tmp_path: Path) -> None:
    _, (chunk,) = lay_out(tmp_path, parcels(500))
    info = gdal.info(chunk)
    assert (info["driver"], info["layer_name"], info["features"]) == ("ADBC", chunk.path.stem, 500)
    assert list(info["fields"]) == FIELDS  # the covering is none of them
    assert info["ogr_types"] == [
        "OFTString", "OFTString", "OFTReal", "OFTInteger64", "OFTDate", "OFTInteger", "OFTReal",
    ]  # fmt: skip
    assert info["ogr_subtypes"][FIELDS.index("YXSJ")] == "OFSTBoolean"
    assert (info["geometry_name"], info["geometry_type"], info["crs"]) == ("geometry", "Polygon", "EPSG:4490")
    extent = chunk.extent
    assert extent is not None
    assert info["total_bounds"] == (extent.xmin, extent.ymin, extent.xmax, extent.ymax)


def test_the_reference_system_is_the_whole_definition(tmp_path: Path) -> None:
    """GDAL hands the definition on, not its code alone: lon/lat, CGCS2000."""
    _, (chunk,) = lay_out(tmp_path, parcels(5))
    field = Gdal(spatial=False).rows(chunk).schema.field("geometry")
    handed = json.loads(field.metadata[b"ARROW:extension:metadata"])["crs"]
    assert (handed["id"], handed["name"]) == ({"authority": "EPSG", "code": 4490}, crs_projjson(MESH_CRS)["name"])


def test_every_row_is_there_in_order_byte_for_byte(gdal: Gdal, tmp_path: Path) -> None:
    rows = parcels(2500)
    _, chunks = lay_out(tmp_path, rows, limits=SMALL)
    assert len(chunks) > 2
    for chunk in chunks:
        assert pq.ParquetFile(chunk.path).num_row_groups > 1
        assert_same(gdal.rows(chunk), content(chunk))
    seen = pa.concat_tables([gdal.rows(chunk) for chunk in chunks])
    assert_same(seen.sort_by("BSM"), rows.sort_by("BSM"))


def test_a_window_brings_the_rows_that_meet_it(gdal: Gdal, tmp_path: Path) -> None:
    _, (chunk,) = lay_out(tmp_path, parcels(500))
    assert gdal.info(chunk)["capabilities"]["fast_spatial_filter"]
    held = content(chunk)
    meet = shapely.intersects(shapely.from_wkb(held["geometry"].to_numpy()), shapely.box(*WINDOW))
    assert 0 < meet.sum() < 100
    assert_same(gdal.rows(chunk, bbox=WINDOW), held.filter(pa.array(meet)))


def test_missing_empty_high_and_parted_shapes_stay_as_written(gdal: Gdal, tmp_path: Path) -> None:
    texts = [
        "POLYGON EMPTY",
        "POLYGON Z ((104 30 1, 104.1 30 1, 104 30.1 1, 104 30 1))",
        "MULTIPOLYGON (((104 30, 104.1 30, 104 30.1, 104 30)))",
    ]
    rows = parcels(4).to_pydict()
    rows["geometry"] = [None, *shapely.to_wkb(shapely.from_wkt(texts), flavor="iso")]
    _, (chunk,) = lay_out(tmp_path, as_rows(PARCELS, rows))
    assert_same(gdal.rows(chunk), content(chunk))


def test_a_table_without_geometry_is_a_layer_without(gdal: Gdal, tmp_path: Path) -> None:
    keys = np.arange(300)
    _, (chunk,) = lay_out(tmp_path, as_rows(TABLE, {"DM": keys, "MC": [f"村{key}" for key in keys]}), TABLE)
    info = gdal.info(chunk)
    assert (list(info["fields"]), info["geometry_type"], info["crs"]) == (["DM", "MC"], None, None)
    assert_same(gdal.rows(chunk), pq.ParquetFile(chunk.path).read())
