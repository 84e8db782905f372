"""Which changes of a definition fit the versions there are, and which break with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from guotu.model.collection import CodeList, Collection, Field, FieldType, GeometryType
from guotu.model.evolution import evolve
from tests.support.layers import PARCELS


def changed(field: str, /, **values: Any) -> Collection:
    fields = tuple(replace(item, **values) if item.name == field else item for item in PARCELS.fields)
    return replace(PARCELS, fields=fields)


def with_codes(code_list: CodeList) -> Collection:
    return replace(PARCELS, code_lists={**PARCELS.code_lists, code_list.id: code_list})


MORE = CodeList("dlbm", "地类", "", {**PARCELS.code_lists["dlbm"].codes, "0201": "果园"})
FEWER = CodeList("dlbm", "地类", "", {"0101": "水田"})


def test_the_same_definition_changes_nothing() -> None:
    found = evolve(PARCELS, PARCELS)
    assert (found.added, found.widened, dict(found.renamed), found.relaxed, found.extended) == ((), (), {}, (), ())
    assert found.is_compatible


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("DLMC", {"length": 60}),
        ("TBMJ", {"width": 16}),
        ("TBMJ", {"width": 17, "decimals": 4}),
        ("SJNF", {"type": FieldType.DECIMAL, "width": 21, "decimals": 2}),
        ("GDDB", {"type": FieldType.DECIMAL, "width": 2, "codes": ""}),
        ("GDDB", {"type": FieldType.DOUBLE, "codes": ""}),
    ],
)
def test_a_type_that_holds_every_old_value_fits(name: str, values: dict[str, Any]) -> None:
    found = evolve(PARCELS, changed(name, **values))
    assert (found.widened, found.breaks) == ((name,), ())


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("DLMC", {"length": 5}, "text(5) does not hold every value of text(6)"),
        ("TBMJ", {"width": 14}, "decimal(14,2) does not hold"),
        ("TBMJ", {"decimals": 3}, "decimal(15,3) does not hold"),
        ("TBMJ", {"width": 20, "decimals": 1}, "decimal(20,1) does not hold"),
        ("TBMJ", {"type": FieldType.DOUBLE, "width": 0, "decimals": 0}, "double does not hold"),
        ("SJNF", {"type": FieldType.DECIMAL, "width": 20, "decimals": 2}, "decimal(20,2) does not hold"),
        ("SJNF", {"type": FieldType.DOUBLE}, "double does not hold every value of integer"),
        ("GDDB", {"type": FieldType.DECIMAL, "width": 1, "codes": ""}, "decimal(1,0) does not hold"),
        ("GXRQ", {"type": FieldType.TEXT, "length": 10}, "text(10) does not hold every value of date"),
        ("DLMC", {"nullable": False}, "DLMC: it is required now"),
        ("TBMJ", {"unit": "hm2"}, "the unit 无 none is now hm2"),
        ("DLMC", {"codes": "dlbm"}, "bound to the code list dlbm"),
        ("DLBM", {"codes": "gddb"}, "gddb lacks 0101, 0102, 0103 of dlbm"),
    ],
)
def test_a_field_that_narrows_breaks(name: str, values: dict[str, Any], told: str) -> None:
    found = evolve(PARCELS, changed(name, **values))
    (sentence,) = found.breaks
    assert told in sentence
    assert f"字段 {name}" in sentence
    assert not found.is_compatible


def test_fields_may_come_if_they_are_optional() -> None:
    optional, required = Field("BZ", "备注", FieldType.TEXT, length=9), Field("X", "x", FieldType.DATE, nullable=False)
    found = evolve(PARCELS, replace(PARCELS, fields=(optional, *PARCELS.fields)))
    assert (found.added, found.breaks) == (("BZ",), ())
    found = evolve(PARCELS, replace(PARCELS, fields=(*PARCELS.fields, required)))
    assert found.added == ()
    assert ["the new field X is required" in sentence for sentence in found.breaks] == [True]


def test_a_field_that_goes_breaks() -> None:
    (sentence,) = evolve(PARCELS, replace(PARCELS, fields=PARCELS.fields[:-1])).breaks
    assert "field SFHC is gone" in sentence


def test_a_rename_with_its_old_name_fits_and_one_without_does_not() -> None:
    found = evolve(PARCELS, changed("DLMC", name="DLMC2", renamed_from="DLMC", length=9))
    assert (dict(found.renamed), found.widened, found.added, found.breaks) == ({"DLMC": "DLMC2"}, ("DLMC2",), (), ())
    assert len(evolve(PARCELS, changed("DLMC", name="DLMC2")).breaks) == 1


def test_a_rename_of_long_ago_is_none() -> None:
    new = changed("DLMC", renamed_from="MC")
    assert evolve(PARCELS, new) == evolve(PARCELS, PARCELS)
    assert evolve(new, replace(new, fields=new.fields[:-1])).renamed == {}


def test_two_fields_cannot_both_have_been_one() -> None:
    twice = tuple(Field(name, name, FieldType.TEXT, length=9, renamed_from="DLMC") for name in ("A", "B"))
    rest = tuple(item for item in PARCELS.fields if item.name != "DLMC")
    found = evolve(PARCELS, replace(PARCELS, fields=(*rest, *twice)))
    assert (found.renamed, found.added) == ({}, ("A", "B"))
    assert ["field DLMC is gone" in sentence for sentence in found.breaks] == [True]


def test_a_key_that_is_renamed_breaks() -> None:
    new = replace(changed("BSM", name="ID", renamed_from="BSM"), key="ID")
    (sentence,) = evolve(PARCELS, new).breaks
    assert "the key BSM is now ID" in sentence


def test_the_division_field_may_be_renamed_but_not_changed() -> None:
    renamed = replace(changed("ZLDWDM", name="DM", renamed_from="ZLDWDM"), division_field="DM")
    assert evolve(PARCELS, renamed).is_compatible
    assert not evolve(PARCELS, replace(PARCELS, division_field="DLBM")).is_compatible
    assert not evolve(PARCELS, replace(PARCELS, division_field="")).is_compatible


def test_nulls_may_be_allowed_and_code_lists_grow_or_go() -> None:
    assert evolve(PARCELS, changed("TBMJ", nullable=True)).relaxed == ("TBMJ",)
    assert evolve(PARCELS, changed("DLBM", codes="")).relaxed == ("DLBM",)
    grown = evolve(PARCELS, with_codes(MORE))
    assert (grown.extended, grown.breaks) == (("DLBM",), ())
    shrunk = evolve(PARCELS, with_codes(FEWER))
    assert ["lacks 0102, 0103" in sentence for sentence in shrunk.breaks] == [True]


def test_geometry_type_and_identity_break() -> None:
    assert "几何类型" in evolve(PARCELS, replace(PARCELS, geometry=GeometryType.LINE)).breaks[0]
    assert len(evolve(PARCELS, replace(PARCELS, id="other", geometry=GeometryType.NONE)).breaks) == 2


def test_titles_order_and_sources_change_nothing() -> None:
    new = replace(
        PARCELS,
        title="别名",
        source="新",
        edition="9",
        fields=tuple(replace(item, title="题", note="注") for item in reversed(PARCELS.fields)),
    )
    assert evolve(PARCELS, new) == evolve(PARCELS, PARCELS)


def test_every_break_is_told_at_once() -> None:
    new = replace(changed("DLMC", length=1), geometry=GeometryType.POINT, key="DLBM", fields=PARCELS.fields[:-2])
    assert len(evolve(PARCELS, new).breaks) == 4
