"""A column of a table: what stands for it in filters, what is read of it, and what its fingerprint is made of."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from guotu.model.collection import Field, FieldType
from node.stores.sql.identifiers import ROWS, column, quote

RAW = "t"
"""Alias of the table itself, out of which the rows that filters see are made."""
_LONGEST_WHOLE = 18
"""Digits of a whole number that a bigint always holds."""
_BYTEWISE = '{} COLLATE "C"'


@dataclass(frozen=True, slots=True)
class Kind:
    """How columns of a type are read; `{}` stands for the column in each part.

    Equal `hashed` must mean that what is read is equal, whatever the seed. So what PostgreSQL hashes with a loss
    goes as bytes: of a bigint and a timestamp it hashes 32 bits, of a numeric all but the sign.
    """

    arrow: pa.DataType
    field: FieldType
    """What filters take it for."""
    hashed: str = "{}"
    """What is hashed, of `normal`."""
    read: str = "{}"
    """What is read, of `normal`."""
    normal: str = "{}"
    """What filters see, of the column itself."""


_TEXT = Kind(pa.string(), FieldType.TEXT, _BYTEWISE, "{}::text")
_AS_TEXT = Kind(pa.string(), FieldType.TEXT, _BYTEWISE, "{}", "{}::text")
"""Any type not named here (enumerations, uuid, json, citext, arrays, intervals ...), as PostgreSQL writes it."""
_KINDS = {
    "bool": Kind(pa.bool_(), FieldType.BOOLEAN),
    "int2": Kind(pa.int64(), FieldType.INTEGER, read="{}::bigint"),
    "int4": Kind(pa.int64(), FieldType.INTEGER, read="{}::bigint"),
    "int8": Kind(pa.int64(), FieldType.INTEGER, "int8send({})"),
    "float4": Kind(pa.float32(), FieldType.DOUBLE, read="{}::double precision"),
    "float8": Kind(pa.float64(), FieldType.DOUBLE),
    "numeric": Kind(pa.float64(), FieldType.DOUBLE, "numeric_send({})", "{}::double precision"),
    "text": _TEXT,
    "varchar": _TEXT,
    "bpchar": Kind(pa.string(), FieldType.TEXT, '{}::text COLLATE "C"', "{}::text"),
    # As text, since infinity and years before Christ are no dates elsewhere: the inspector tells of them.
    "date": Kind(pa.string(), FieldType.DATE, read="{}::text"),
    "timestamp": Kind(pa.string(), FieldType.DATE, "timestamp_send({})", "{}::text"),
    "timestamptz": Kind(pa.string(), FieldType.DATE, "timestamptz_send({})", "{}::text"),
}
_WHOLE = Kind(pa.int64(), FieldType.INTEGER, "numeric_send({})", "{}::bigint")
_DECIMAL = Kind(pa.float64(), FieldType.DECIMAL, "numeric_send({})", "{}::double precision")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, without geometries."""

    name: str
    declared: str
    """Its type as PostgreSQL writes it, with its modifier; of a domain, that under it."""
    kind: Kind
    width: int = 0
    """Digits of a numeric in all; 0 if its type does not tell."""
    decimals: int = 0

    @property
    def field(self) -> Field:
        """Return what filters take it for."""
        length = 1 if self.kind.field is FieldType.TEXT else 0
        decimal = self.kind.field is FieldType.DECIMAL
        width, decimals = (self.width, self.decimals) if decimal else (0, 0)
        return Field(self.name, self.name, self.kind.field, length=length, width=width, decimals=decimals)

    @property
    def normal(self) -> str:
        """Return the column as the rows of the table have it for filters, under its own name."""
        return f"{self.kind.normal.replace('{}', column(self.name, RAW))} AS {quote(self.name)}"

    @property
    def read(self) -> str:
        """Return what is read of it."""
        return self.kind.read.replace("{}", column(self.name, ROWS))

    @property
    def hashed(self) -> str:
        """Return what its fingerprint is made of."""
        return self.kind.hashed.replace("{}", column(self.name, ROWS))

    @property
    def sought(self) -> tuple[str, str]:
        """Return what is compared with values that were read, and the type of an array of these.

        It is the column itself where its type allows, so that an index over it can be asked.
        """
        if self.kind.field is FieldType.DATE:
            return self.read, "text[]"
        return column(self.name, ROWS), f"{self.declared}[]" if self.kind.normal == "{}" else "text[]"


def column_of(name: str, base: str, declared: str, modifier: int, bytewise: bool) -> Column:
    """Return a column.

    Args:
        name: of the column.
        base: name of its type in pg_catalog, empty for types of other schemas.
        declared: the type with its modifier, as PostgreSQL writes it.
        modifier: the type's modifier, -1 for none.
        bytewise: whether texts are equal only where their bytes are; false for collations that are not deterministic.
    """
    if base == "numeric":
        return _numeric(name, declared, modifier)
    kind = _KINDS.get(base, _AS_TEXT)
    if kind.field is FieldType.TEXT and not bytewise:
        # LIKE refuses such collations, and equal texts could have unequal bytes.
        kind = Kind(pa.string(), FieldType.TEXT, _BYTEWISE, normal='{}::text COLLATE "C"')
    return Column(name, declared, kind)


def _numeric(name: str, declared: str, modifier: int) -> Column:
    """Of the modifier, the upper half is the width and the lower eleven bits are the decimals, less four in all."""
    if modifier < 0:
        return Column(name, declared, _KINDS["numeric"])
    width, decimals = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
    if decimals > width:  # negative decimals too
        return Column(name, declared, _KINDS["numeric"])
    if not decimals and width <= _LONGEST_WHOLE:
        return Column(name, declared, _WHOLE, width)
    return Column(name, declared, _DECIMAL, width, decimals)
