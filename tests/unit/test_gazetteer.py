"""The shipped gazetteer: its quirks, its tree and its bounds."""

from __future__ import annotations

import pyarrow as pa
import pytest

from registry.gazetteer import Gazetteer, GazetteerEntry


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return Gazetteer.load()


def walk(gazetteer: Gazetteer, code: str) -> list[str]:
    return [code, *(below for child in gazetteer.children(code) for below in walk(gazetteer, child.code))]


def test_a_county_says_what_it_is_and_where(gazetteer: Gazetteer) -> None:
    entry = gazetteer.get("500101")
    assert entry == GazetteerEntry(
        "500101", "万州区", "county", "500000", (107.870556, 30.390722, 108.906224, 31.005145)
    )


def test_the_nation_spans_everything(gazetteer: Gazetteer) -> None:
    nation = gazetteer.get("100000")
    assert nation is not None
    assert (nation.name, nation.level, nation.parent) == ("全国", "nation", "")
    assert nation.bounds == (73.498962, 3.832541, 135.087387, 53.558498)


@pytest.mark.parametrize(
    ("code", "level"),
    [("820000", "province"), ("441900", "prefecture"), ("620200", "prefecture"), ("500000", "province")],
)
def test_a_code_on_two_levels_means_the_higher(gazetteer: Gazetteer, code: str, level: str) -> None:
    entry = gazetteer.get(code)
    assert entry is not None
    assert entry.level == level
    assert code not in [child.code for child in gazetteer.children(code)]


@pytest.mark.parametrize("code", ["500100", "659000", "510199", "", "51"])
def test_what_is_no_division_is_unknown(gazetteer: Gazetteer, code: str) -> None:
    assert gazetteer.get(code) is None
    assert gazetteer.children(code) == ()


def test_name_falls_back_to_the_code(gazetteer: Gazetteer) -> None:
    assert gazetteer.name("510100") == "成都市"
    assert gazetteer.name("510199") == "510199"


def test_children_follow_the_parent_not_the_prefix(gazetteer: Gazetteer) -> None:
    chongqing = gazetteer.children("500000")
    assert len(chongqing) == 38
    assert {child.level for child in chongqing} == {"county"}
    assert "419001" in [child.code for child in gazetteer.children("410000")]
    assert len(gazetteer.children("100000")) == 34


def test_children_are_in_order_and_once_each(gazetteer: Gazetteer) -> None:
    codes = [child.code for child in gazetteer.children("440000")]
    assert codes == sorted(set(codes))
    assert len(codes) == 21


def test_a_walk_from_the_nation_meets_every_code_once(gazetteer: Gazetteer) -> None:
    met = walk(gazetteer, "100000")
    assert len(met) == len(set(met)) == 1 + 34 + 333 + 2891 - 5
    assert sorted(met) == gazetteer.bounds_table()["code"].to_pylist()


def test_the_demonstration_provinces_have_309_counties(gazetteer: Gazetteer) -> None:
    below = [code for province in ("500000", "510000", "520000") for code in walk(gazetteer, province)]
    entries = [gazetteer.get(code) for code in below]
    assert sum(entry is not None and entry.level == "county" for entry in entries) == 309


def test_bounds_table_has_its_schema_and_every_box_lies_in_its_parents(gazetteer: Gazetteer) -> None:
    table = gazetteer.bounds_table()
    edges = [(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")]
    assert table.schema == pa.schema([("code", pa.string()), *edges])
    for code in table["code"].to_pylist():
        entry = gazetteer.get(code)
        assert entry is not None
        xmin, ymin, xmax, ymax = entry.bounds
        if entry.parent:
            parent = gazetteer.get(entry.parent)
            assert parent is not None
            left, bottom, right, top = parent.bounds
            assert left <= xmin < xmax <= right, code
            assert bottom <= ymin < ymax <= top, code


def test_order_of_the_entries_does_not_matter() -> None:
    box = (0.0, 0.0, 1.0, 1.0)
    county = GazetteerEntry("820000", "澳门特别行政区", "county", "820000", box)
    province = GazetteerEntry("820000", "澳门特别行政区", "province", "100000", box)
    assert Gazetteer([county, province]).get("820000") is province
    assert Gazetteer([province, county]).get("820000") is province
