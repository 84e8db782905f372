"""Columns and values of real files that do not fit their collection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from node.ingest.kinds import FaultKind as K
from tests.support.inspection import FORMATS, found, gpkg, inspect_file
from tests.support.layers import (
    TABLE,
    Rows,
    good_rows,
    write_csv,
    write_ogr,
    write_shapefile,
)


def test_columns_are_matched_without_case_and_by_map(tmp_path: Path):
    rows = good_rows()
    columns = {("图斑号" if name == "BSM" else name.lower()): values for name, values in rows.columns.items()}
    path = write_shapefile(tmp_path / "a.shp", Rows(columns, rows.shapes), encoding="GBK", cpg=None)
    report, table = inspect_file(path, mapping={"图斑号": "BSM"})
    assert report.ok
    assert inspect_file(path, key="图斑号")[1].equals(table)


def test_missing_columns(tmp_path: Path):
    path = gpkg(tmp_path, good_rows().without("TBMJ", "PD"))
    assert found(path, K.MISSING_COLUMN).field == "TBMJ"
    path = write_ogr(tmp_path / "b.gpkg", good_rows().without("PD"), "GPKG")
    report, table = inspect_file(path)
    assert [(notice.kind, notice.field) for notice in report.notices] == [(K.NOTICE_COLUMN_FILLED, "PD")]
    assert table["PD"].null_count == 8


def test_extra_columns(tmp_path: Path):
    path = gpkg(tmp_path, good_rows().having(NOTE=["x"] * 8, OBJECTID=[*range(8)], Shape_Area=[1.5] * 8))
    report, _ = inspect_file(path)
    assert [(fault.kind, fault.field) for fault in report.faults] == [(K.EXTRA_COLUMN, "NOTE")]
    assert [notice.field for notice in report.notices] == ["OBJECTID", "Shape_Area"]
    assert inspect_file(path, mapping={"NOTE": ""})[0].ok


def test_two_columns_for_one_field(tmp_path: Path):
    path = gpkg(tmp_path, good_rows().having(OLD=["x"] * 8))
    fault = found(path, K.COLUMN_AMBIGUOUS, mapping={"OLD": "DLMC"})
    assert (fault.field, fault.values) == ("DLMC", ("DLMC", "OLD"))


@pytest.mark.parametrize("mapping", [{"NONE": "DLMC"}, {"DLMC": "NONE"}])
def test_a_mapping_that_fits_nothing(tmp_path: Path, mapping: dict[str, str]):
    assert found(gpkg(tmp_path, good_rows()), K.MAP_UNKNOWN, mapping=mapping).detail in ("NONE=DLMC", "DLMC=NONE")


@pytest.mark.parametrize(
    ("kind", "column", "value", "shown"),
    [
        (K.KEY_NULL, "BSM", None, ()),
        (K.KEY_NULL, "BSM", "  ", ()),
        (K.NULL_VALUE, "ZLDWDM", None, ()),
        (K.NULL_VALUE, "TBMJ", None, ()),
        (K.TEXT_LENGTH, "DLMC", "七个字的地类名", ("七个字的地类名",)),
        (K.DECIMAL_WIDTH, "TBMJ", 1e13, ("10000000000000.0",)),
        (K.DECIMAL_PLACES, "TBMJ", 1000.125, ("1000.125",)),
        (K.UNKNOWN_CODE, "DLBM", "0199", ("0199",)),
        (K.UNKNOWN_CODE, "GDDB", 7, ("7",)),
        (K.FOREIGN_DIVISION, "ZLDWDM", "5101050010010000000", ("5101050010010000000",)),
        (K.FOREIGN_DIVISION, "ZLDWDM", "锦江区", ("锦江区",)),
        (K.NOTICE_BLANK_AS_NULL, "DLMC", " ", ()),
    ],
)
@pytest.mark.parametrize("name", ["gpkg", "parquet"])
def test_a_wrong_value(tmp_path: Path, name: str, kind: K, column: str, value: object, shown: tuple[str, ...]):
    fault = found(FORMATS[name](tmp_path, good_rows().at(3, column, value)), kind)
    key = "#4" if column == "BSM" and value is None else "  " if column == "BSM" else "510104211000000003"
    assert (fault.field, fault.count, fault.keys, fault.values) == (column, 1, (key,), shown)


@pytest.mark.parametrize(
    ("kind", "column", "text"),
    [
        (K.WRONG_TYPE, "TBMJ", "十亩"),
        (K.WRONG_TYPE, "SJNF", "2025年"),
        (K.FRACTION, "SJNF", "2025.5"),
        (K.WRONG_TYPE, "GXRQ", "2025-02-30"),
        (K.WRONG_TYPE, "SFHC", "maybe"),
        (K.WRONG_TYPE, "PD", "1,5"),
        (K.WRONG_TYPE, "PD", "inf"),
        (K.DECIMAL_PLACES, "KCXS", "0.12345"),
    ],
)
def test_a_wrong_text_of_a_table(tmp_path: Path, kind: K, column: str, text: str):
    fault = found(write_csv(tmp_path / "a.csv", good_rows().at(3, column, text)), kind, collection=TABLE)
    assert (fault.field, fault.count, fault.keys, fault.values) == (column, 1, ("510104211000000003",), (text,))


def test_repeated_keys(tmp_path: Path):
    keys = [f"K{row // 2 if row < 20 else row}" for row in range(100)]
    fault = found(gpkg(tmp_path, good_rows(100).having(BSM=keys)), K.KEY_DUPLICATE)
    assert (fault.count, fault.keys) == (10, ("K0", "K1", "K2", "K3", "K4"))


def test_single_precision_is_no_fault_where_it_tells_the_decimals(tmp_path: Path):
    rows = good_rows()
    singles = [None if value is None else np.float32(value) for value in rows.columns["KCXS"]]
    for name in ("gdb", "gpkg"):
        report, table = inspect_file(FORMATS[name](tmp_path, rows.having(KCXS=singles)))
        assert report.ok
        assert table["KCXS"].to_pylist() == rows.columns["KCXS"]


def test_an_unknown_county_is_only_told(tmp_path: Path):
    path = gpkg(tmp_path, good_rows().at(3, "ZLDWDM", "5101990010010000000"))
    fault = found(path, K.NOTICE_UNKNOWN_DIVISION, division="510100")
    assert (fault.count, fault.values) == (1, ("510199",))
