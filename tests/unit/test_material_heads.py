"""What tables for others are told of a head: the version's own fields, described as the catalogue does now."""

from __future__ import annotations

from dataclasses import replace

from guotu.model.collection import Classification, Field, FieldType
from node.materials.heads import described
from tests.support.features import COLLECTION


def test_names_and_secrecy_are_those_of_today_and_columns_those_of_the_version() -> None:
    fields = (replace(COLLECTION.fields[0], title="新名", note="说明"), Field("NEW", "新", FieldType.DATE))
    current = replace(COLLECTION, title="新题", classification=Classification.SECRET, fields=fields, key="NEW")
    found = described(COLLECTION, current)
    assert (found.title, found.classification) == ("新题", Classification.SECRET)
    assert (found.fields[0].title, found.fields[0].note) == ("新名", "说明")
    assert found.fields[1:] == COLLECTION.fields[1:]
    assert (found.key, found.column_names) == (COLLECTION.key, COLLECTION.column_names)


def test_what_the_catalogue_does_not_have_is_described_by_itself() -> None:
    assert described(COLLECTION, None) is COLLECTION
