"""Definitions of collections as canonical JSON, the form in which the registry keeps them.

Canonical: UTF-8, members sorted by name, no spaces, members that have their default value left out. Equal collections
give equal bytes. Members that this software does not know are ignored, so that a newer catalogue can be read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from guotu.model.collection import Classification, CodeList, Collection, Family, Field, FieldType, GeometryType

T = TypeVar("T")
_FIELD_DEFAULTS = Field(name="", title="", type=FieldType.TEXT)
_OPTIONAL = ("length", "width", "decimals", "nullable", "codes", "unit", "note", "renamed_from")


def collection_to_json(collection: Collection) -> bytes:
    """Return the definition, with the code lists that it uses, as canonical JSON."""
    members = {
        "id": collection.id,
        "family": collection.family.value,
        "title": collection.title,
        "title_en": collection.title_en,
        "geometry": collection.geometry.value,
        "key": collection.key,
        "fields": [_field_members(item) for item in collection.fields],
        "classification": collection.classification.value,
        "division_field": collection.division_field,
        "source": collection.source,
        "edition": collection.edition,
        "code_lists": [_code_list_members(item) for _, item in sorted(collection.code_lists.items())],
    }
    return json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _field_members(item: Field) -> dict[str, object]:
    """Return a field's members; those with their default value are left out."""
    optional = {name: getattr(item, name) for name in _OPTIONAL}
    changed = {name: value for name, value in optional.items() if value != getattr(_FIELD_DEFAULTS, name)}
    return {"name": item.name, "title": item.title, "type": item.type.value, **changed}


def _code_list_members(item: CodeList) -> dict[str, object]:
    return {"id": item.id, "title": item.title, "source": item.source, "codes": dict(item.codes)}


def collection_from_json(data: bytes) -> Collection:
    """Return the collection that canonical (or any equivalent) JSON defines.

    Raises:
        ValueError: it is not JSON, or not a definition; the text says which member is wrong.
    """
    try:
        members = json.loads(data)
    except (UnicodeDecodeError, RecursionError) as fault:
        raise ValueError(f"not JSON: {fault}") from fault
    reader = _Reader("definition", members)
    fields = tuple(_field(item) for item in reader.objects("fields"))
    collection = Collection(
        id=reader.text("id"),
        family=reader.choice("family", Family),
        title=reader.text("title"),
        title_en=reader.text("title_en"),
        geometry=reader.choice("geometry", GeometryType),
        key=reader.text("key"),
        fields=fields,
        classification=reader.choice("classification", Classification),
        division_field=reader.text("division_field", ""),
        source=reader.text("source", ""),
        edition=reader.text("edition", ""),
        code_lists={item.id: item for item in map(_code_list, reader.objects("code_lists"))},
    )
    if collection.field(collection.key) is None:
        raise ValueError(f"definition of {collection.id}: there is no field {collection.key!r} for the key")
    return collection


def _field(reader: _Reader) -> Field:
    return Field(
        name=reader.text("name"),
        title=reader.text("title"),
        type=reader.choice("type", FieldType),
        length=reader.number("length"),
        width=reader.number("width"),
        decimals=reader.number("decimals"),
        nullable=reader.of_type("nullable", bool, True),
        codes=reader.text("codes", ""),
        unit=reader.text("unit", ""),
        note=reader.text("note", ""),
        renamed_from=reader.text("renamed_from", ""),
    )


def _code_list(reader: _Reader) -> CodeList:
    codes = reader.of_type("codes", dict)
    if not all(isinstance(name, str) for name in codes.values()):
        raise ValueError(f"{reader.where}: codes must name texts")
    return CodeList(reader.text("id"), reader.text("title"), reader.text("source"), codes)


class _Reader:
    """Reads typed members of one JSON object; every fault is a ValueError that says where."""

    def __init__(self, where: str, members: object) -> None:
        if not isinstance(members, Mapping):
            raise ValueError(f"{where} must be an object")
        self.where = where
        self._members = members

    def of_type(self, name: str, kind: type[T], default: T | None = None) -> T:
        """Return a member of that type, or the default where it is absent."""
        value: Any = self._members.get(name, default)
        if type(value) is not kind:
            raise ValueError(f"{self.where}: {name} must be a {kind.__name__}")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text member."""
        return self.of_type(name, str, default)

    def number(self, name: str) -> int:
        """Return an integer member that is not negative, 0 where it is absent."""
        value = self.of_type(name, int, 0)
        if value < 0:
            raise ValueError(f"{self.where}: {name} must not be negative")
        return value

    def choice(self, name: str, kind: Callable[[str], T]) -> T:
        """Return a member that is one of an enumeration."""
        try:
            return kind(self.text(name))
        except ValueError as fault:
            raise ValueError(f"{self.where}: {name}: {fault}") from fault

    def objects(self, name: str) -> list[_Reader]:
        """Return readers of the objects in an array member."""
        items = self.of_type(name, list)
        return [_Reader(f"{self.where}.{name}[{index}]", item) for index, item in enumerate(items)]
