"""Rows of saved answers: what was changed in a file is told, and what a form does not keep is not called a change."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from federation.notary import Notary
from guotu.model.crs import crs_projjson
from guotu.model.errors import InvalidQuestion
from node.cli.export import sidecar_path
from node.cli.formats.losses import Losses
from node.cli.formats.row_order import RowOrder, in_order
from node.cli.receipt_rows import proven_rows
from node.cli.saved_receipt import read_receipt
from tests.support.canned_node import answer_frames
from tests.support.cli_answers import FINITE, SCHEMA, finite_frames, row_frames
from tests.support.signed_answers import QUESTION, saved, signed

TEXT_FORMS = ("geojson", "geojsonseq", "csv", "json")


def found(file: Path) -> bool | None:
    return proven_rows(read_receipt(file))[0]


def replaced(file: Path, old: bytes, new: bytes) -> bool | None:
    """Change the first place where a file has some bytes, and tell what is found then."""
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new, 1))
    return found(file)


@pytest.mark.parametrize("form", TEXT_FORMS)
@pytest.mark.parametrize(("old", "new"), [
    (b"0101", b"0102"),
    (b"12345678901.23", b"12345678901.24"),
    (b"2019-01-01", b"2019-01-02"),
    (b"true", b"false"),
    (b"103.12345678901235", b"103.12345678901236"),
    (b"104.06", b"NaN"),
    (b"30.67", b"30.67,7"),
])  # fmt: skip
def test_a_value_that_was_changed_in_a_text_is_told(
    form: str, old: bytes, new: bytes, tmp_path: Path, notary: Notary
) -> None:
    file = saved(form, tmp_path, signed(finite_frames(), notary))
    assert found(file) is True
    assert replaced(file, old, new) is False


@pytest.mark.parametrize(("form", "old", "new"), [
    ("geojson", b'"igbp":13', b'"igbp":13,"extra":1'),
    ("geojson", b'"igbp":13', b'"igbp":13,"igbp":14'),
    ("geojson", b'"igbp":13', b'"igbp":"13"'),
    ("geojson", b'"igbp":13,', b""),
    ("geojson", b'"type":"Point"', b'"type":"Point","type":"Point"'),
    ("geojson", b"EPSG::4490", b"EPSG::4326"),
    ("geojsonseq", b"}}\n", b"}}\n{}\n"),
    ("geojsonseq", b"}}\n", b"}}\n\xff\n"),
    ("csv", b'"igbp"', b'"IGBP"'),
    ("csv", b"\n", b'\n"x",,,,,\n'),
    ("csv", b',13,', b",13,,"),
    ("geojson", b'\n],"guotu":', b'\n],"guotu":{},"features":[\n],"guotu":'),
    ("json", b'\n],\n', b'\n],\n  "rows": [],\n'),
    ("json", b'\n],\n', b'\n],\n"rows": [\n],\n'),
    ("json", b'{"rows": [', b'{"rows":[[],'),
    ("json", b'"geometry":', b'"geometri":'),
])  # fmt: skip
def test_what_was_not_written_is_told(
    form: str, old: bytes, new: bytes, tmp_path: Path, notary: Notary
) -> None:  # fmt: skip
    assert replaced(saved(form, tmp_path, signed(finite_frames(), notary)), old, new) is False


@pytest.mark.parametrize("change", [
    "UPDATE landcover SET igbp = 14 WHERE bsm = '0101'",
    "UPDATE landcover SET surveyed = '2019-01-02' WHERE bsm = '0101'",
    "UPDATE landcover SET geom = (SELECT geom FROM landcover WHERE fid = 3) WHERE fid = 1",
    "DELETE FROM landcover WHERE fid = 2",
    "UPDATE landcover SET fid = 9 WHERE fid = 2",
    "ALTER TABLE landcover ADD COLUMN extra TEXT",
    "UPDATE gpkg_geometry_columns SET srs_id = 4326",
])  # fmt: skip
def test_what_was_changed_in_a_geopackage_is_told(change: str, tmp_path: Path, notary: Notary) -> None:
    file = saved("gpkg", tmp_path, signed(finite_frames(), notary))
    assert found(file) is True
    with sqlite3.connect(file) as database:
        for kind, name in database.execute("SELECT type, name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP {kind} {name}")  # they call functions that only GIS have
        database.execute(change)
    database.close()
    assert found(file) is False


def test_what_was_changed_in_a_flatgeobuf_is_told(tmp_path: Path, notary: Notary) -> None:
    file = saved("fgb", tmp_path, signed(row_frames(), notary))
    assert found(file) is True
    assert replaced(file, b"0101", b"0102") is False
    file = saved("fgb", tmp_path, signed(finite_frames(), notary))
    note = json.loads(sidecar_path(file).read_text())
    note["order"] = note["order"][:-4]
    sidecar_path(file).write_text(json.dumps(note))
    assert found(file) is False


def test_a_flatgeobuf_without_index_keeps_the_order(
    tmp_path: Path, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.cli.formats.fgb._INDEXED_ROWS", 0)
    file = saved("fgb", tmp_path, signed(finite_frames(), notary))
    assert "order" not in json.loads(sidecar_path(file).read_text())
    assert found(file) is True
    frames = list(signed(finite_frames(), notary))
    turned = [frames[0], frames[2], frames[1], frames[-1]]
    assert found(saved("fgb", tmp_path, turned)) is False


def test_what_was_changed_in_a_parquet_is_told(tmp_path: Path, notary: Notary) -> None:
    file = saved("parquet", tmp_path, signed(row_frames(), notary))
    table = pq.ParquetFile(file).read()
    for crs, expected in (("EPSG:4326", False), ("EPSG:4490", True)):
        geo = {"columns": {"geometry": {"crs": {"scope": "another release", **crs_projjson(crs)}}}}
        metadata = {**table.schema.metadata, b"geo": json.dumps(geo).encode()}
        pq.write_table(table.replace_schema_metadata(metadata), file)
        assert found(file) is expected


@pytest.mark.parametrize(("form", "keeps"), [
    ("parquet", True), ("fgb", True), ("gpkg", None), ("csv", None), ("geojson", None), ("geojsonseq", None),
    ("json", None),
])  # fmt: skip
def test_a_nan_is_not_called_a_change_where_it_is_not_kept(
    form: str, keeps: bool | None, tmp_path: Path, notary: Notary
) -> None:
    file = saved(form, tmp_path, signed(row_frames(), notary))
    proven, told = proven_rows(read_receipt(file))
    assert proven is keeps
    assert ("area_m2: 1" in told) is (keeps is None)
    frames = list(signed(row_frames(), notary))
    assert found(saved(form, tmp_path, [frames[0], *frames[1:3], frames[-1]])) is False, "a row less"


def test_a_saved_answer_that_does_not_tell_its_columns_proves_no_rows(tmp_path: Path, notary: Notary) -> None:
    file = saved("csv", tmp_path, signed(finite_frames(), notary))
    note = json.loads(sidecar_path(file).read_text())
    for change, expected in (
        (lambda: note.pop("columns"), KeyError),
        (lambda: note.update(form="shapefile"), None),
        (lambda: note.pop("form"), None),
    ):
        change()
        sidecar_path(file).write_text(json.dumps(note))
        if expected is not None:
            with pytest.raises(expected):
                proven_rows(read_receipt(file))
        else:
            assert found(file) is None


def wkb(text: str, **options: Any) -> bytes:
    made: bytes = shapely.to_wkb(shapely.from_wkt(text), **{"byte_order": 1, "flavor": "iso", **options})
    return made


MULTI = "MULTIPOINT ((1 2), (3 4))"


@pytest.mark.parametrize(("shape", "kept"), [
    (wkb("POINT (1 2)"), True),
    (wkb(MULTI), True),
    (wkb("POLYGON ((0 0, 1 0, 1 1, 0 0))"), True),
    (wkb("POINT Z (1 2 3)"), True),
    (wkb("POINT Z (1 2 3)", flavor="extended"), False),
    (wkb("POINT Z (1 2 NaN)"), False),
    (wkb("POINT M (1 2 3)"), False),
    (wkb("POINT (1 2)", byte_order=0), False),
    (wkb(MULTI)[:9] + wkb("POINT (1 2)", byte_order=0) + wkb("POINT (3 4)"), False),
    (wkb("POINT (1 2)")[:-1], False),
    (wkb("POINT EMPTY"), False),
    (wkb("MULTIPOINT ((1 2), EMPTY)"), False),
    (wkb("GEOMETRYCOLLECTION (POINT (1 2))"), False),
    (wkb("POINT (1 2)")[:-8] + np.float64(-0.0).tobytes(), False),
    (b"", False),
])  # fmt: skip
def test_geometries_that_no_text_keeps_are_counted(shape: bytes, kept: bool) -> None:
    losses = Losses(heights=True)
    for shapes in ([shape], [None, wkb("LINESTRING (0 0, 1 1)"), shape, wkb("POINT Z (1 2 3)")]):
        losses.update(pa.record_batch([pa.array(shapes, pa.binary())], ["geometry"]))
    assert losses.cells == ({} if kept else {"geometry": 2})


def test_texts_with_a_nul_and_heights_are_counted() -> None:
    flat = Losses(heights=False)
    flat.update(pa.record_batch([pa.array(["a\0b", "c", None]), pa.array([1.0, np.inf, None])], ["t", "n"]))
    flat.update(pa.record_batch([pa.array([wkb("POINT Z (1 2 3)"), wkb("POINT (1 2)")], pa.binary())], ["geometry"]))
    assert flat.cells == {"t": 1, "n": 1, "geometry": 1}


@pytest.mark.parametrize("form", ["csv", "geojson", "gpkg"])
def test_geometries_in_other_bytes_are_not_called_a_change(form: str, tmp_path: Path, notary: Notary) -> None:
    shapes = pa.array([wkb("POINT (1 2)", byte_order=0)], pa.binary())
    rows = FINITE.slice(0, 1).set_column(5, SCHEMA.field(5), shapes)
    assert found(saved(form, tmp_path, signed(answer_frames([rows], SCHEMA), notary))) is None


def test_rows_are_put_in_the_order_that_was_noted() -> None:
    rng = np.random.default_rng(7)
    rows = pa.record_batch([pa.array(rng.integers(0, 30_000, 40_000))], ["n"])
    order = RowOrder()
    for start in range(0, 40_000, 7_000):
        order.update(rows.slice(start, 7_000))
    mixed = rows.take(pa.array(rng.permutation(40_000)))
    batches = [mixed.slice(start, 9_000) for start in range(0, 40_000, 9_000)]
    assert pa.concat_batches(in_order(batches, order.text())) == rows
    for others in (batches[1:], [*batches[1:], batches[1].slice(0, 9_000)]):
        with pytest.raises(ValueError, match="not those"):
            list(in_order(others, order.text()))
    with pytest.raises(ValueError, match="order"):
        list(in_order(batches, "*"))


def test_a_field_that_gdal_takes_for_the_row_number_is_kept_or_refused(tmp_path: Path, notary: Notary) -> None:
    for name in ("fid", "FID", "geom", "OGC_FID"):
        schema = pa.schema([pa.field(name, pa.int64()), SCHEMA.field("geometry")])
        rows = pa.record_batch([pa.array([5, 3, None]), FINITE.column("geometry").slice(0, 3)], schema=schema)
        assert found(saved("gpkg", tmp_path, signed(answer_frames([rows], schema), notary))) is True
    with pytest.raises(InvalidQuestion, match="OGC_FID"):
        saved("fgb", tmp_path, signed(answer_frames([rows], schema), notary))


def test_rows_in_another_crs_are_proven_in_it(tmp_path: Path, notary: Notary) -> None:
    question = replace(QUESTION, crs="EPSG:4326")
    for form in ("geojson", "gpkg", "fgb", "parquet"):
        assert found(saved(form, tmp_path, signed(finite_frames(), notary, question))) is False


@pytest.mark.parametrize("form", ["csv", "geojsonseq"])
def test_rows_are_read_back_wherever_chunks_end(
    form: str, tmp_path: Path, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = pa.array(["a\nb", None, "", '"\n"\n', "c", "\n\n\n"] * 3)
    rows = pa.record_batch([texts], ["t"])
    for size in (1, 5, 17):
        for module in ("csv", "json_rows"):
            monkeypatch.setattr(f"node.cli.formats.{module}._CHUNK_BYTES", size)
        assert found(saved(form, tmp_path, signed(answer_frames([rows], rows.schema), notary))) is True


def test_no_rows_are_proven(tmp_path: Path, notary: Notary) -> None:
    for form in ("csv", "geojson", "geojsonseq", "gpkg", "fgb", "json", "parquet"):
        assert found(saved(form, tmp_path, signed(answer_frames([], SCHEMA), notary))) is True
