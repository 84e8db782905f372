"""Collections: the nationally agreed layers with their schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

GEOMETRY = "geometry"
"""Name of the geometry column of every collection that has one."""


class Family(StrEnum):
    """The five dataset families of 国土资发[2017]83号."""

    STATUS = "status"
    PLANNING = "planning"
    MANAGEMENT = "management"
    SOCIOECONOMIC = "socioeconomic"
    PRODUCT = "product"

    @property
    def chinese(self) -> str:
        """Return the name in the notice."""
        return _FAMILY_ZH[self]


_FAMILY_ZH = {
    Family.STATUS: "现状", Family.PLANNING: "规划", Family.MANAGEMENT: "管理",
    Family.SOCIOECONOMIC: "社会经济", Family.PRODUCT: "产品",
}  # fmt: skip


class GeometryType(StrEnum):
    """What a collection's features look like; POLYGON admits multipolygons, LINE multilines, POINT multipoints."""

    NONE = "none"
    POINT = "point"
    LINE = "line"
    POLYGON = "polygon"


class Classification(StrEnum):
    """Secrecy of a collection: 公开, 内部, 秘密, 机密."""

    PUBLIC = "public"
    INTERNAL = "internal"
    SECRET = "secret"
    CONFIDENTIAL = "confidential"


class FieldType(StrEnum):
    """Types of fields."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DOUBLE = "double"
    DATE = "date"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class CodeList:
    """The values that a coded field may have."""

    id: str
    title: str
    source: str
    codes: Mapping[str, str]
    """Code to name; codes of integer fields are their digits."""


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute of a collection."""

    name: str
    title: str
    """Name for people, Chinese."""
    type: FieldType
    length: int = 0
    """Most characters of a TEXT; 0 for other types."""
    width: int = 0
    """Digits of a DECIMAL in all."""
    decimals: int = 0
    """Digits of a DECIMAL after the point."""
    nullable: bool = True
    codes: str = ""
    """Id of the code list; empty for none."""
    unit: str = ""
    note: str = ""
    renamed_from: str = ""
    """Name that the field had before; empty if it always had this one."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A nationally agreed layer (or a node's local one, whose id begins with "<node>.")."""

    id: str
    family: Family
    title: str
    title_en: str
    geometry: GeometryType
    key: str
    """Field that identifies a feature within a dataset; never null, unique."""
    fields: tuple[Field, ...]
    classification: Classification = Classification.INTERNAL
    division_field: str = ""
    """Field whose first six digits are the county of the feature; empty if there is none."""
    source: str = ""
    edition: str = ""
    code_lists: Mapping[str, CodeList] = field(default_factory=dict)
    """The code lists that its fields use, by id."""

    @property
    def has_geometry(self) -> bool:
        """Tell whether features have a geometry."""
        return self.geometry is not GeometryType.NONE

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return the names of all columns, the geometry last."""
        names = tuple(item.name for item in self.fields)
        return (*names, GEOMETRY) if self.has_geometry else names

    def field(self, name: str) -> Field | None:
        """Return the attribute of that name; None if there is none."""
        return next((item for item in self.fields if item.name == name), None)
