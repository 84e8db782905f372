import re
from dataclasses import replace

import pytest

from guotu.model.collection import CodeList, Collection, Field, FieldType
from guotu.model.errors import InvalidCatalogue
from guotu.model.evolution import evolve
from registry.catalogue import (
    CatalogueFile,
    Change,
    ChangeKind,
    diff_catalogue,
    national_catalogue_path,
    parse_catalogue,
)

HEAD = """
edition = "1"
title = "目录"
[[code_lists]]
id = "dl"
title = "地类"
[code_lists.codes]
"01" = "耕地"
"02" = "园地"
"""
COLLECTION = """
[[collections]]
id = "{id}"
family = "status"
title = "图斑"
title_en = "parcels"
geometry = "polygon"
key = "BSM"
division_field = "QH"
fields = [
  {{ name = "BSM", title = "标识", type = "text", length = 18, nullable = false }},
  {{ name = "QH", title = "区划", type = "text", length = 12 }},
  {{ name = "DL", title = "地类", type = "text", length = 4, codes = "dl" }},
  {{ name = "MJ", title = "面积", type = "decimal", width = 15, decimals = 2, unit = "m2" }},
]
"""


def toml(changes: dict[str, str] | None = None, name: str = "tb") -> bytes:
    text = HEAD + COLLECTION.format(id=name)
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    return text.encode()


def faults_of(data: bytes, local_to: str = "") -> str:
    with pytest.raises(InvalidCatalogue) as caught:
        parse_catalogue(data, local_to)
    return str(caught.value.facts["detail"])


def test_the_national_catalogue_is_sound() -> None:
    file = parse_catalogue(national_catalogue_path())
    assert [item.id for item in file.collections] == sorted(item.id for item in file.collections)
    dltb = next(item for item in file.collections if item.id == "dltb")
    assert dltb.edition == file.edition
    assert {item.codes for item in dltb.fields if item.codes} == set(dltb.code_lists)


def test_a_file_is_read_as_it_stands() -> None:
    file = parse_catalogue(toml())
    (collection,) = file.collections
    assert collection.fields[3] == Field("MJ", "面积", FieldType.DECIMAL, width=15, decimals=2, unit="m2")
    assert collection.code_lists == {"dl": CodeList("dl", "地类", "", {"01": "耕地", "02": "园地"})}
    assert (file.edition, file.local_to, collection.division_field) == ("1", "", "QH")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('edition = "1"', "", "edition.*missing"),
        ('edition = "1"', "edition = 1", "edition.*must be a text"),
        ('edition = "1"', 'edition = "1"\nedtion = "2"', "edtion.*not known"),
        ('id = "tb"', 'id = "TB"', "id.*does not match"),
        ('id = "tb"', 'id = "510000.tb"', "id.*does not match"),
        ('family = "status"', 'family = "misc"', "family.*none of"),
        ('geometry = "polygon"', 'geometry = "circle"', "geometry.*none of"),
        ('key = "BSM"', 'key = "XX"', "key.*no such field"),
        ('key = "BSM"', 'key = "DL"', "key.*nullable"),
        ('division_field = "QH"', 'division_field = "XX"', "division_field.*no such field"),
        ('division_field = "QH"', 'division_field = "DL"', "division_field.*six characters"),
        ('type = "text", length = 12', 'type = "text"', "QH.*length"),
        ('type = "text", length = 12', 'type = "date", length = 12', "QH.*only a text has a length"),
        ('type = "text", length = 12', 'type = "varchar", length = 12', "QH.*none of"),
        ('type = "text", length = 12', 'type = "text", length = -1', "QH.*negative"),
        ('codes = "dl"', 'codes = "nn"', "DL.*no such code list"),
        ("length = 4", "length = 1", "DL.*longer than the field: 01, 02"),
        ('"01" = "耕地"', '"01" = 1', "code list dl.*must name a text"),
        ("width = 15", "width = 39", "MJ.*from 1 to 38"),
        ("decimals = 2", "decimals = 16", "MJ.*more than the digits"),
        ('name = "QH"', 'name = "bsm"', "bsm.*twice"),
        ('name = "QH"', 'name = "Geometry"', "kept for the geometry"),
        ('name = "QH"', 'name = "Q H"', "does not match"),
        ('unit = "m2"', 'uint = "m2"', "uint.*not known"),
        ('unit = "m2"', 'renamed_from = "M J"', "renamed_from.*does not match"),
        ('unit = "m2"', 'renamed_from = "dl"', "renamed_from.*is still a field"),
        ('unit = "m2"', 'renamed_from = "MJ"', "renamed_from.*is still a field"),
    ],
)
def test_each_fault_is_found_and_placed(old: str, new: str, fault: str) -> None:
    assert re.search(fault, faults_of(toml({old: new})))


def test_all_faults_come_at_once() -> None:
    wrong = {'family = "status"': 'family = "x"', 'codes = "dl"': 'codes = "y"', "width = 15": "width = 0"}
    assert len(faults_of(toml(wrong)).splitlines()) == 4  # decimals exceed a width of 0, too


def test_duplicates_are_faults() -> None:
    assert "twice" in faults_of(toml() + COLLECTION.format(id="tb").encode())


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a = ", b""])
def test_what_is_no_catalogue_is_refused(data: bytes) -> None:
    assert faults_of(data)


def test_local_collections_belong_to_their_node() -> None:
    file = parse_catalogue(toml(name="510000-ch.tb"), local_to="510000-ch")
    assert [item.id for item in file.collections] == ["510000-ch.tb"]
    assert "does not match" in faults_of(toml(name="510000.tb"), local_to="510000-ch")
    assert "does not match" in faults_of(toml(), local_to="510000-ch")
    assert "node id" in faults_of(toml(), local_to="四川")


def changes_to(new: dict[str, str]) -> list[Change]:
    before = parse_catalogue(toml()).collections
    return diff_catalogue(before, parse_catalogue(toml(new)))


def test_the_same_catalogue_changes_nothing() -> None:
    assert changes_to({}) == []


@pytest.mark.parametrize(
    ("old", "new", "subject", "breaking"),
    [
        ('title = "图斑"', 'title = "地块"', "title", False),
        ("length = 12", "length = 19", "QH", False),
        ("length = 12", "length = 11", "QH", True),
        ('type = "text", length = 12', 'type = "text", length = 12, nullable = false', "QH", True),
        ('type = "decimal", width = 15, decimals = 2', 'type = "double"', "MJ", True),
        ("decimals = 2", "decimals = 1", "MJ", True),
        ("decimals = 2", "decimals = 3", "MJ", True),
        ("width = 15, decimals = 2", "width = 16, decimals = 3", "MJ", False),
        ('unit = "m2"', 'unit = "hm2"', "MJ", True),
        ('unit = "m2"', 'unit = "m2", note = "椭球"', "MJ", False),
        ('unit = "m2"', 'unit = "m2", renamed_from = "S"', "MJ", False),
        ('name = "DL"', 'name = "DLBM", renamed_from = "DL"', "DLBM", False),
        ('geometry = "polygon"', 'geometry = "line"', "geometry", True),
        (', codes = "dl"', "", "DL", False),
        ('"02" = "园地"', "", "dl", True),
        ('"02" = "园地"', '"02" = "园地"\n"03" = "林地"', "dl", False),
        ('"02" = "园地"', '"02" = "果园"', "dl", False),
        ('edition = "1"', 'edition = "2"', "edition", False),
    ],
)
def test_changes_are_named_and_weighed(old: str, new: str, subject: str, breaking: bool) -> None:
    changes = changes_to({old: new})
    assert {change.subject for change in changes} == {subject}
    assert any(change.breaking for change in changes) is breaking
    assert all(change.zh and change.en and change.kind is ChangeKind.CHANGED for change in changes)


def test_a_rename_is_one_change_of_which_nothing_is_lost() -> None:
    (change,) = changes_to({'name = "MJ"': 'name = "TBMJ", renamed_from = "MJ"'})
    assert (change.subject, change.breaking) == ("TBMJ", False)
    assert "is renamed from MJ" in change.en
    assert "由 MJ 改名" in change.zh
    plain = changes_to({'name = "MJ"': 'name = "TBMJ"'})
    assert [(change.subject, change.breaking) for change in plain] == [("MJ", True), ("TBMJ", False)]


def test_two_fields_cannot_both_have_been_one() -> None:
    twice = {'name = "MJ"': 'name = "A", renamed_from = "X"', 'name = "DL"': 'name = "B", renamed_from = "X"'}
    assert faults_of(toml(twice)).count("several fields claim it") == 2


@pytest.mark.parametrize(
    ("changed", "breaking"),
    [
        ({'name = "MJ"': 'name = "TBMJ", renamed_from = "MJ"', "width = 15": "width = 16"}, False),
        ({'name = "QH"': 'name = "QHDM", renamed_from = "QH"', '_field = "QH"': '_field = "QHDM"'}, False),
        ({'name = "BSM"': 'name = "ID", renamed_from = "BSM"', 'key = "BSM"': 'key = "ID"'}, True),
        ({'key = "BSM"': 'key = "QH"', "length = 12 }": "length = 12, nullable = false }"}, True),
        ({"length = 12": "length = 9"}, True),
        ({'unit = "m2"': 'unit = "mu"'}, True),
        ({'"02" = "园地"': ""}, True),
        ({'"02" = "园地"': '"02" = "园地"\n"03" = "林地"'}, False),
    ],
)
def test_the_diff_calls_breaking_what_breaks_a_version(changed: dict[str, str], breaking: bool) -> None:
    before = parse_catalogue(toml()).collections[0]
    after = parse_catalogue(toml(changed))
    assert any(change.breaking for change in diff_catalogue([before], after)) is breaking
    assert bool(evolve(before, after.collections[0]).breaks) is breaking


def test_fields_come_and_go() -> None:
    line = '  { name = "MJ", title = "面积", type = "decimal", width = 15, decimals = 2, unit = "m2" },\n'
    removed = changes_to({line: ""})
    assert [(change.subject, change.breaking) for change in removed] == [("MJ", True)]
    added = changes_to({line: line + '  { name = "BZ", title = "备注", type = "text", length = 9 },\n'})
    assert [(change.subject, change.breaking) for change in added] == [("BZ", False)]
    needed = changes_to({line: line + '  { name = "BZ", title = "备", type = "date", nullable = false },\n'})
    assert [(change.subject, change.breaking) for change in needed] == [("BZ", True)]


def test_collections_come_and_go_but_only_the_file_s_own() -> None:
    national = parse_catalogue(toml(name="a"))
    (collection,) = national.collections
    others = [replace(collection, id="b"), replace(collection, id="510000.c")]
    found = [(change.kind, change.collection) for change in diff_catalogue(others, national)]
    assert found == [(ChangeKind.ADDED, "a"), (ChangeKind.REMOVED, "b")]
    local = CatalogueFile("1", "", "", "", (), local_to="510000")
    found = [(change.kind, change.collection) for change in diff_catalogue(others, local)]
    assert found == [(ChangeKind.REMOVED, "510000.c")]


def test_the_order_of_fields_is_a_change_that_breaks_nothing() -> None:
    (collection,) = parse_catalogue(toml()).collections
    turned: Collection = replace(collection, fields=tuple(reversed(collection.fields)))
    (change,) = diff_catalogue([turned], parse_catalogue(toml()))
    assert (change.subject, change.breaking) == ("fields", False)
