"""Formats: what was answered can be read back by other software, to the last digit, with the answer's own account."""

from __future__ import annotations

import csv
import io
import json
import math
import sqlite3
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pyogrio
import pytest
import shapely

from guotu.answering import Answer
from guotu.model.answer import Frame
from guotu.model.crs import geometry_field
from guotu.model.errors import IncompleteAnswer, InvalidInput, InvalidQuestion
from node.cli.cut_file import read_cut
from node.cli.export import chosen_format, export, sidecar_path
from node.cli.formats import FORMATS
from node.cli.formats.json_text import json_objects
from node.cli.formats.plain_text import plain_texts
from node.cli.rows import Rows
from node.cli.saved_answer import read_account
from tests.support.canned_node import answer_frames
from tests.support.cli_answers import GROUP_SCHEMA, GROUPS, ROWS, SCHEMA, SHAPES, group_frames, row_frames

SPATIAL = ["geojson", "geojsonseq", "gpkg", "fgb", "parquet"]


def exported(form: str, target: Path, frames: Iterator[Frame] | None = None) -> Path:
    export(Rows(Answer(row_frames(partial=True) if frames is None else frames)), FORMATS[form], target)
    return target


def account_of(form: str, target: Path) -> dict[str, object]:
    """What the file says of the answer, wherever the form keeps it."""
    if FORMATS[form].sidecar:
        found: dict[str, object] = json.loads(sidecar_path(target).read_text())
    elif form == "geojson":
        text = target.read_text()
        found = json.loads("{" + text[text.rindex('"guotu":') :])["guotu"]
    elif form == "parquet":
        found = json.loads(pa.parquet.read_metadata(target).metadata[b"guotu"])
    else:
        with sqlite3.connect(target) as database:
            found = {key: json.loads(value) for key, value in database.execute("SELECT key, value FROM guotu")}
    return found


@pytest.mark.parametrize("form", list(FORMATS))
def test_every_form_keeps_what_a_partial_answer_says_of_itself(form: str, tmp_path: Path) -> None:
    account = account_of(form, exported(form, tmp_path / f"out.{form}"))
    completeness = account["completeness"]
    assert isinstance(completeness, dict)
    assert completeness["complete"] is False
    assert completeness["rows_share"] == 0.5
    assert [member["outcome"] for member in completeness["members"]] == ["ANSWERED", "UNREACHABLE"]
    assert account["cut"] == {"510100/landcover": 3}
    assert account["row_count"] == 4
    assert account["digest"] == Answer(row_frames()).digest.hex()


@pytest.mark.parametrize("form", list(FORMATS))
def test_the_cut_is_read_back_from_every_form(form: str, tmp_path: Path) -> None:
    target = exported(form, tmp_path / f"out{FORMATS[form].suffixes[0]}")
    assert read_cut(target) == {"510100/landcover": 3}
    assert read_account(target, "--cut") == account_of(form, target)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"SQLite format 3\0", b"\xff\xfe", b"[1]", b'{"a":[\n],"guotu":{'])
def test_what_is_no_saved_answer_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(InvalidQuestion, match="--cut"):
        read_cut(file)


def test_all_faults_of_a_cut_are_told(tmp_path: Path) -> None:
    file = tmp_path / "cut.json"
    file.write_text('{"510000/dltb": 3, "510100": 1, "520000/dltb": "x", "500000/dltb": 0}')
    with pytest.raises(InvalidQuestion) as raised:
        read_cut(file)
    assert all(fault in raised.value.chinese for fault in ("'510100'", "'x'", "'0'"))


@pytest.mark.parametrize("form", SPATIAL)
def test_other_software_reads_the_same_rows(form: str, tmp_path: Path) -> None:
    target = exported(form, tmp_path / f"layer{FORMATS[form].suffixes[0]}")
    if form == "parquet":
        frame = geopandas.read_parquet(target)
    else:
        layer = "landcover" if form == "gpkg" else None
        frame = geopandas.read_file(target, layer=layer)
    frame = frame.sort_values("bsm", key=lambda keys: keys.map(list(ROWS["bsm"].to_pylist()).index))
    assert list(frame["bsm"]) == ROWS["bsm"].to_pylist()
    assert frame["area_m2"].iloc[0] == 12345678901.23
    for shape, expected in zip(frame.geometry, SHAPES, strict=True):
        assert shapely.equals_exact(shape, expected)
    if form != "geojsonseq":
        assert frame.crs is not None
        assert frame.crs.to_epsg() == 4490


def test_geojson_is_one_valid_document_without_nan(tmp_path: Path) -> None:
    text = exported("geojson", tmp_path / "out.geojson").read_text(encoding="utf-8")
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    properties = [feature["properties"] for feature in document["features"]]
    assert properties[0] == {
        "bsm": "0101",
        "igbp": 13,
        "area_m2": 12345678901.23,
        "surveyed": "2019-01-01",
        "wet": True,
    }
    assert properties[1] == {"bsm": '引"号\\', "igbp": None, "area_m2": None, "surveyed": None, "wet": None}
    assert properties[2]["bsm"] == "控\n制\x01"
    assert document["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::4490"


def test_json_text_agrees_with_the_standard_library_on_awkward_texts() -> None:
    texts = ["", '"', "\\", '\\"', "\u2028", "\x1f", "\x7f", "a/b", "😀", "\t"]
    made = json_objects([pa.array(texts)], ['na"me'])
    assert [json.loads(text) for text in made.to_pylist()] == [{'na"me': text} for text in texts]
    plain = json_objects([pa.array(texts[:5])], ["a"]).to_pylist()
    assert [json.loads(text)["a"] for text in plain] == texts[:5]


def test_decimals_keep_every_digit_in_json_and_csv(tmp_path: Path) -> None:
    (first, *_) = json_objects(GROUPS.columns, GROUPS.schema.names).to_pylist()
    assert json.loads(first, parse_float=Decimal)["sum_area_m2"] == Decimal("12345678901234567890123456.7")
    target = exported("csv", tmp_path / "out.csv", group_frames())
    rows = list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8"))))
    assert rows[0]["sum_area_m2"] == "12345678901234567890123456.7"
    assert rows[2]["sum_area_m2"] == ""


def test_csv_quotes_codes_and_writes_wkt_to_the_last_digit(tmp_path: Path) -> None:
    target = exported("csv", tmp_path / "out.csv")
    text = target.read_text(encoding="utf-8")
    assert '"0101",13,12345678901.23,2019-01-01,true' in text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert shapely.equals_exact(shapely.from_wkt(rows[0]["geometry"]), SHAPES[0])
    assert rows[2]["bsm"] == "控\n制\x01"


def test_numbers_read_back_the_same_and_stand_without_an_exponent_where_people_read_them() -> None:
    numbers = [0.0, -0.1, 1e10, 12345678901.23, 1e15, 9007199254740993.0, 1e22, 1e-5, 5e-324, 1.7976931348623157e308]
    texts = plain_texts(pa.array([*numbers, None, math.inf])).to_pylist()
    assert [float(text) for text in texts[:-2]] == numbers
    assert texts[-2:] == [None, None]
    assert texts[2:5] == ["10000000000.0", "12345678901.23", "1000000000000000.0"]


def test_parquet_names_its_projected_crs(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("k", pa.string()), geometry_field("geometry", "EPSG:4547")])
    batch = pa.record_batch([["a"], pa.array([shapely.to_wkb(shapely.Point(5e5, 3.4e6))], pa.binary())], schema=schema)
    target = exported("parquet", tmp_path / "out.parquet", answer_frames([batch], schema))
    assert geopandas.read_parquet(target).crs.to_epsg() == 4547
    gpkg = exported("gpkg", tmp_path / "out.gpkg", answer_frames([batch], schema))
    assert pyogrio.read_info(gpkg, layer="landcover")["crs"] == "EPSG:4547"
    geojson = exported("geojson", tmp_path / "out.geojson", answer_frames([batch], schema))
    assert geopandas.read_file(geojson).crs.to_epsg() == 4547


@pytest.mark.parametrize("form", [name for name in FORMATS if name != "fgb"])
def test_rows_without_geometry_and_without_rows_are_written(form: str, tmp_path: Path) -> None:
    target = exported(form, tmp_path / f"out{FORMATS[form].suffixes[0]}", answer_frames([], SCHEMA))
    assert account_of(form, target)["row_count"] == 0
    schema = pa.schema([pa.field("k", pa.string())])
    batch = pa.record_batch([["a", None]], schema=schema)
    target = exported(form, tmp_path / f"flat{FORMATS[form].suffixes[0]}", answer_frames([batch], schema))
    assert account_of(form, target)["row_count"] == 2


def test_a_missing_geometry_stays_missing(tmp_path: Path) -> None:
    batch = ROWS.slice(0, 1).set_column(5, SCHEMA.field(5), pa.array([None], pa.binary()))
    for form in ("geojson", "gpkg", "parquet"):
        target = exported(form, tmp_path / f"out.{form}", answer_frames([batch], SCHEMA))
        frame = geopandas.read_parquet(target) if form == "parquet" else geopandas.read_file(target, layer=0)
        assert frame.geometry.iloc[0] is None
    with pytest.raises(InvalidInput, match="NULL geometry"):
        exported("fgb", tmp_path / "out.fgb", answer_frames([batch], SCHEMA))


def test_fgb_without_geometry_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InvalidQuestion, match="fgb"):
        exported("fgb", tmp_path / "out.fgb", group_frames())
    assert list(tmp_path.iterdir()) == []


def failing_frames(failure: BaseException) -> Iterator[Frame]:
    frames = row_frames()
    yield next(frames)
    for _ in range(3):
        yield from answer_frames([ROWS], SCHEMA)
    raise failure


@pytest.mark.parametrize("form", list(FORMATS))
@pytest.mark.parametrize(
    "failure", [IncompleteAnswer(missing="510700/landcover"), KeyboardInterrupt(), SystemExit(143)], ids=repr
)
def test_a_failure_reaches_the_caller_and_leaves_no_half_file(
    form: str, failure: BaseException, tmp_path: Path
) -> None:
    target = tmp_path / f"out{FORMATS[form].suffixes[0]}"
    target.write_text("what was there")
    with pytest.raises(type(failure)):
        exported(form, target, failing_frames(failure))
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "what was there"


def test_ctrl_c_leaves_nothing_however_early_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = Path.mkdir

    def struck(folder: Path, mode: int = 0o777) -> None:
        mkdir(folder, mode)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", struck)
    with pytest.raises(KeyboardInterrupt):
        exported("csv", tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []


def test_half_a_parquet_is_none_on_stdout(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    failure = IncompleteAnswer(missing="510700/landcover")
    with pytest.raises(IncompleteAnswer):
        export(Rows(Answer(failing_frames(failure))), FORMATS["parquet"], None)
    written = capfdbinary.readouterr().out
    assert written.startswith(b"PAR1")
    with pytest.raises(pa.ArrowInvalid):
        pa.parquet.read_table(io.BytesIO(written))


@pytest.mark.parametrize("form", list(FORMATS))
def test_memory_stays_flat_while_rows_stream(form: str, tmp_path: Path) -> None:
    """No more than a few batches are alive at any time, however many there are."""
    alive, most = 0, 0
    lock = threading.Lock()

    class Counted:
        def __init__(self) -> None:
            nonlocal alive, most
            with lock:
                alive += 1
                most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            with lock:
                alive -= 1

    def batches() -> Iterator[pa.RecordBatch]:
        shape = shapely.to_wkb(shapely.box(0, 0, 1, 1))
        for start in range(0, 200_000, 2000):
            holder = Counted()
            keys = np.arange(start, start + 2000).view(_Tracked)
            keys.holder = holder
            columns = [
                pa.array([str(key) for key in keys]), pa.array(keys), pa.nulls(2000, pa.float64()),
                pa.nulls(2000, pa.date32()), pa.nulls(2000, pa.bool_()), pa.array([shape] * 2000, pa.binary()),
            ]  # fmt: skip
            del holder, keys
            yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)

    target = exported(form, tmp_path / f"out{FORMATS[form].suffixes[0]}", answer_frames(batches(), SCHEMA))
    assert account_of(form, target)["row_count"] == 200_000
    assert 1 <= most <= 60, "a row group of Parquet holds 25 batches; nothing should hold more than two"


class _Tracked(np.ndarray):  # type: ignore[type-arg]
    """An array that keeps its holder alive as long as Arrow keeps the array."""

    holder: object


def test_the_form_follows_the_name_and_a_table_needs_the_screen(tmp_path: Path) -> None:
    assert chosen_format("", None) is None
    assert chosen_format("table", None) is None
    for name, form in FORMATS.items():
        for suffix in form.suffixes:
            assert chosen_format("", tmp_path / f"x{suffix.upper()}") is form
        assert chosen_format(name, tmp_path / "x.dat") is form
    for name, output in (("", tmp_path / "x.dat"), ("table", tmp_path / "x.csv"), ("gpkg", None), ("fgb", None)):
        with pytest.raises(InvalidQuestion):
            chosen_format(name, output)


def test_nan_is_not_confused_with_a_number() -> None:
    assert math.isnan(ROWS["area_m2"][1].as_py()), "the sample must hold a NaN for the tests above to mean something"
    assert GROUP_SCHEMA.field("sum_area_m2").type == pa.decimal128(38, 1)
