import hashlib
import json
from pathlib import Path

import duckdb
import duckdb_extension_spatial
import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import shapely

from guotu.model.errors import InvalidInput
from guotu.model.hilbert import hilbert_index
from guotu.model.records import Extent
from guotu.model.schema import arrow_schema
from sync.datafile import DataFile, FileSizes
from sync.layout import stream_windows
from sync.manifest import BLOCK_BYTES
from sync.rowhash import row_hashes
from sync.setdigest import SetDigest
from sync.spool import Spool
from tests.support.laid_out import SMALL, lay_out
from tests.support.sync_samples import PARCELS, TABLE, as_rows, parcels, write_spool


def read(chunks: list[DataFile]) -> pa.Table:
    return pa.concat_tables([pq.ParquetFile(chunk.path).read() for chunk in chunks])


def by_key(table: pa.Table, key: str = "BSM") -> pa.Table:
    return table.sort_by(key).combine_chunks()


def test_all_rows_are_there_as_they_were(tmp_path: Path) -> None:
    rows = parcels(2500)
    found, chunks = lay_out(tmp_path, rows, limits=SMALL)
    assert len(chunks) > 2
    assert found.rows == sum(chunk.rows for chunk in chunks) == 2500
    laid = by_key(read(chunks)).drop_columns("bbox")
    assert laid.equals(by_key(rows))
    assert laid.schema.equals(arrow_schema(PARCELS), check_metadata=False)


def test_rows_lie_on_the_curve_and_ties_by_key(tmp_path: Path) -> None:
    rows = parcels(400)
    twins = rows.set_column(7, rows.schema.field("geometry"), pa.array([rows["geometry"][0].as_py()] * 400))
    rows = pa.concat_tables(
        [rows, twins.set_column(0, rows.schema.field("BSM"), pc.binary_join_element_wise("x", rows["BSM"], ""))]
    )
    _, chunks = lay_out(tmp_path, rows, limits=SMALL)
    laid = read(chunks)
    bounds = shapely.bounds(shapely.from_wkb(laid["geometry"].to_numpy()))
    places = hilbert_index(bounds[:, ::2].mean(axis=1), bounds[:, 1::2].mean(axis=1))
    pairs = list(zip(places.tolist(), laid["BSM"].to_pylist(), strict=True))
    assert pairs == sorted(pairs)
    assert len(set(places.tolist())) < 410


def test_chunk_facts(tmp_path: Path) -> None:
    _, chunks = lay_out(tmp_path, parcels(2500), limits=SMALL)
    for chunk in chunks:
        data = chunk.path.read_bytes()
        assert (chunk.size_bytes, chunk.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert chunk.blocks == (chunk.sha256,)
        table = pq.ParquetFile(chunk.path).read()
        assert chunk.extent == Extent(*shapely.total_bounds(shapely.from_wkb(table["geometry"].to_numpy())))
        assert chunk.rows == table.num_rows
    assert all(60_000 <= chunk.size_bytes < 120_000 for chunk in chunks[:-1])
    assert chunks[-1].size_bytes >= 20_000


@pytest.mark.parametrize("count", [300, 500, 700, 900, 1100, 1300])
def test_the_last_chunk_is_not_a_scrap(tmp_path: Path, count: int) -> None:
    _, chunks = lay_out(tmp_path, parcels(count), limits=SMALL)
    assert sum(chunk.rows for chunk in chunks) == count
    assert len(chunks) == 1 or chunks[-1].size_bytes >= 30_000


def test_survey_facts(tmp_path: Path) -> None:
    rows = parcels(2500)
    found, _ = lay_out(tmp_path, rows)
    shapes = shapely.from_wkb(rows["geometry"].to_numpy())
    assert found.extent == Extent(*shapely.total_bounds(shapes))
    assert shapely.covers(found.coverage.polygon(), shapes).all()
    digest = SetDigest()
    batch = rows.combine_chunks().to_batches()[0]
    digest.add(batch["BSM"], row_hashes(batch, PARCELS))
    assert found.digest.hex == digest.hex
    assert not len(found.digest.differing_buckets(digest))


def test_digest_of_the_chunks_is_that_of_the_spool(tmp_path: Path) -> None:
    found, chunks = lay_out(tmp_path, parcels(1000), limits=SMALL)
    digest = SetDigest()
    for chunk in chunks:
        for batch in pq.ParquetFile(chunk.path).iter_batches(batch_size=77):
            digest.add(batch["BSM"], row_hashes(batch, PARCELS))
    assert digest.hex == found.digest.hex


def test_spool_order_and_batches_do_not_matter(tmp_path: Path) -> None:
    rows = parcels(700)
    results = []
    for name, table, batch_rows in (("a", rows, 700), ("b", rows.take(pa.array(range(699, -1, -1))), 64)):
        (tmp_path / name).mkdir()
        found, chunks = lay_out(tmp_path / name, table, limits=SMALL, batch_rows=batch_rows)
        results.append((found.digest.hex, found.extent, found.coverage.polygon().wkb, read(chunks).to_pylist()))
    assert results[0] == results[1]


def test_file_is_geoparquet(tmp_path: Path) -> None:
    found, (chunk,) = lay_out(tmp_path, parcels(25_000), batch_rows=9_999)
    file = pq.ParquetFile(chunk.path)
    geo = json.loads(file.metadata.metadata[b"geo"])
    column = geo["columns"]["geometry"]
    assert (geo["version"], geo["primary_column"], list(geo["columns"])) == ("1.1.0", "geometry", ["geometry"])
    assert (column["encoding"], column["geometry_types"]) == ("WKB", ["Polygon"])
    assert (column["crs"]["id"], column["crs"]["type"]) == ({"authority": "EPSG", "code": 4490}, "GeographicCRS")
    extent = found.extent
    assert column["bbox"] == [extent.xmin, extent.ymin, extent.xmax, extent.ymax]
    assert column["covering"] == {"bbox": {name: ["bbox", name] for name in ("xmin", "ymin", "xmax", "ymax")}}
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    assert [group.num_rows for group in groups] == [8333, 8333, 8334]
    paths = {groups[0].column(number).path_in_schema: groups[0].column(number) for number in range(12)}
    assert {item.compression for item in paths.values()} == {"ZSTD"}
    assert paths["bbox.xmin"].statistics.has_min_max
    assert paths["BSM"].statistics.has_min_max
    assert not paths["geometry"].is_stats_set


def test_row_groups_are_apart_on_the_map(tmp_path: Path) -> None:
    """The point of the order: a small window touches few row groups."""
    _, (chunk,) = lay_out(tmp_path, parcels(10_000), limits=FileSizes(group_rows=250))
    groups = pq.ParquetFile(chunk.path).metadata
    hit = 0
    for number in range(groups.num_row_groups):
        columns = {groups.row_group(number).column(item).path_in_schema: groups.row_group(number).column(item)
                   for item in range(groups.num_columns)}  # fmt: skip
        low = [columns[f"bbox.{name}"].statistics.min for name in ("xmin", "ymin")]
        high = [columns[f"bbox.{name}"].statistics.max for name in ("xmax", "ymax")]
        hit += low[0] <= 104.05 and high[0] >= 104.0 and low[1] <= 30.65 and high[1] >= 30.6
    assert groups.num_row_groups == 40
    assert hit <= 6


def test_geopandas_reads_it(tmp_path: Path) -> None:
    rows = parcels(500)
    _, (chunk,) = lay_out(tmp_path, rows)
    frame = geopandas.read_parquet(chunk.path)
    assert frame.crs.to_epsg() == 4490
    order = frame["BSM"].argsort()
    assert shapely.to_wkb(frame.geometry.to_numpy()[order]).tolist() == by_key(rows)["geometry"].to_pylist()
    window = geopandas.read_parquet(chunk.path, bbox=(103.9, 30.5, 104.0, 30.6))
    assert 0 < len(window) < 100


def test_duckdb_reads_it(tmp_path: Path) -> None:
    rows = parcels(500)
    _, (chunk,) = lay_out(tmp_path, rows)
    query = f"SELECT count(*), sum(TBMJ), min(bbox.xmin), count(DLMC) FROM '{chunk.path}'"
    count, total, west, named = duckdb.sql(query).fetchone()
    assert count == 500
    assert total == pytest.approx(pc.sum(rows["TBMJ"]).as_py())
    assert west == chunk.extent.xmin
    assert named == 500 - rows["DLMC"].null_count


def test_duckdb_with_spatial_sees_geometries(tmp_path: Path) -> None:
    _, (chunk,) = lay_out(tmp_path, parcels(500))
    (extension,) = Path(duckdb_extension_spatial.__path__[0]).rglob("spatial.duckdb_extension")
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    connection.execute(f"LOAD '{extension}'")
    query = f"SELECT min(ST_XMin(geometry)), count(*) FILTER (ST_IsValid(geometry)) FROM '{chunk.path}'"
    assert connection.sql(query).fetchone() == (chunk.extent.xmin, 500)


def test_missing_and_empty_geometries(tmp_path: Path) -> None:
    rows = parcels(3).to_pydict()
    rows["geometry"] = [rows["geometry"][0], None, shapely.to_wkb(shapely.from_wkt("POLYGON EMPTY"))]
    found, (chunk,) = lay_out(tmp_path, as_rows(PARCELS, rows))
    laid = by_key(pq.ParquetFile(chunk.path).read())
    boxes = dict(zip(laid["BSM"].to_pylist(), laid["bbox"].to_pylist(), strict=True))
    assert [boxes[key] is None for key in rows["BSM"]] == [False, True, True]
    box = shapely.from_wkb(rows["geometry"][0]).bounds
    assert found.extent == chunk.extent == Extent(*box)


def test_shapes_with_heights_and_several_parts(tmp_path: Path) -> None:
    rows = parcels(3).to_pydict()
    texts = [
        "POLYGON Z ((104 30 1, 104.1 30 1, 104 30.1 1, 104 30 1))",
        "MULTIPOLYGON (((104 30, 104.1 30, 104 30.1, 104 30)))",
        "POLYGON ((104 30, 104.1 30, 104 30.1, 104 30))",
    ]
    rows["geometry"] = list(shapely.to_wkb(shapely.from_wkt(texts), flavor="iso"))
    _, (chunk,) = lay_out(tmp_path, as_rows(PARCELS, rows))
    geo = json.loads(pq.ParquetFile(chunk.path).metadata.metadata[b"geo"])
    assert geo["columns"]["geometry"]["geometry_types"] == ["MultiPolygon", "Polygon", "Polygon Z"]
    assert sorted(read([chunk])["geometry"].to_pylist()) == sorted(rows["geometry"])


def test_a_collection_without_geometry_lies_by_key(tmp_path: Path) -> None:
    keys = np.random.default_rng(1).permutation(3000)
    rows = as_rows(TABLE, {"DM": keys, "MC": [f"村{key}" for key in keys]})
    found, (chunk,) = lay_out(tmp_path, rows, TABLE)
    assert (found.extent, found.coverage.polygon()) == (None, None)
    table = pq.ParquetFile(chunk.path).read()
    assert table["DM"].to_pylist() == list(range(3000))
    assert table.column_names == ["DM", "MC"]
    assert b"geo" not in pq.ParquetFile(chunk.path).metadata.metadata
    assert chunk.extent is None


def test_no_rows(tmp_path: Path) -> None:
    found, chunks = lay_out(tmp_path, arrow_schema(PARCELS).empty_table())
    assert (found.rows, found.extent, found.coverage.polygon()) == (0, None, None)
    assert found.digest.hex == SetDigest().hex
    assert chunks == []


def test_large_rows_make_small_groups(tmp_path: Path) -> None:
    rows = parcels(40).to_pydict()
    rows["DLMC"] = ["地" * 4000] * 40
    limits = FileSizes(window_bytes=50_000)
    _, (chunk,) = lay_out(tmp_path, as_rows(PARCELS, rows), limits=limits)
    counts = [pq.ParquetFile(chunk.path).metadata.row_group(number).num_rows for number in range(10)]
    assert counts == [4] * 10


def test_blocks_are_bounded_whatever_the_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.spool.BLOCK_ROWS", 64)
    monkeypatch.setattr("sync.spool.BLOCK_BYTES", 4096)
    rows = parcels(500)
    with Spool(write_spool(tmp_path / "s.arrow", rows, 450), PARCELS) as spool:
        blocks = list(spool.blocks())
        assert max(block.num_rows for block in blocks) <= 4096 // 341
        assert pa.Table.from_batches(blocks).equals(rows)


def test_blocks_are_hashed_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.datafile.BLOCK_BYTES", 1000)
    _, (chunk,) = lay_out(tmp_path, parcels(50))
    data = chunk.path.read_bytes()
    assert chunk.blocks == tuple(
        hashlib.sha256(data[start : start + 1000]).hexdigest() for start in range(0, len(data), 1000)
    )
    assert BLOCK_BYTES == 4 << 20


@pytest.mark.parametrize("batch_rows", [7, 1000])
def test_a_stream_is_gathered_in_windows(tmp_path: Path, batch_rows: int) -> None:
    rows = parcels(500).append_column("_hash", pa.array(range(500)))
    windows = list(stream_windows(rows.to_batches(batch_rows), arrow_schema(PARCELS), FileSizes(window_rows=100)))
    assert pa.concat_tables(windows).equals(parcels(500))
    assert min(window.num_rows for window in windows[:-1] or windows) >= 100


def test_take_keeps_the_order_asked_for(tmp_path: Path) -> None:
    rows = parcels(500)
    wanted = np.random.default_rng(2).permutation(500)[:200].astype(np.int64)
    with Spool(write_spool(tmp_path / "s.arrow", rows, 70), PARCELS) as spool:
        assert spool.take(wanted).equals(rows.take(pa.array(wanted)))


def test_what_is_no_spool_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no arrow at all")
    with pytest.raises(InvalidInput, match="not an Arrow IPC file"):
        Spool(tmp_path / "text", PARCELS)
    narrow = write_spool(tmp_path / "narrow", parcels(3).drop_columns("KD"))
    with pytest.raises(InvalidInput, match="schema of dltb"):
        Spool(narrow, PARCELS)
