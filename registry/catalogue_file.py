"""Catalogue files: the collections of an edition as TOML, read with every fault found at once.

Format: docs/reference/catalogue.md; the national file is registry/data/catalogue-2026.toml.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from guotu.model.collection import (
    GEOMETRY,
    Classification,
    CodeList,
    Collection,
    Family,
    Field,
    FieldType,
    GeometryType,
)
from guotu.model.division import is_node_id
from guotu.model.errors import InvalidCatalogue
from registry.catalogue_reader import Faults, Reader

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_DIVISION_DIGITS = 6
_MAX_WIDTH = 38
_MAX_LENGTH = 65_535


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """An edition of the national catalogue, or of one node's local collections."""

    edition: str
    title: str
    title_en: str
    source: str
    collections: tuple[Collection, ...]
    """Sorted by id."""
    local_to: str = ""
    """Node whose local collections these are; empty for the national catalogue."""

    def governs(self, collection: str) -> bool:
        """Tell whether a collection of that id belongs in this file, rather than in another node's or the nation's."""
        owner, dot, _ = collection.rpartition(".")
        return owner == self.local_to if dot else not self.local_to


def national_catalogue_path() -> Path:
    """Return the file of the national catalogue that is installed with this package."""
    return Path(str(files("registry").joinpath("data/catalogue-2026.toml")))


def parse_catalogue(source: Path | bytes, local_to: str = "") -> CatalogueFile:
    """Read a catalogue; with `local_to` (a node id) the local one of a node, whose ids are "<node>.<name>".

    Raises:
        InvalidCatalogue: the file cannot be read or has faults; `detail` has one line a fault, all of them.
    """
    name = str(source) if isinstance(source, Path) else "(bytes)"
    if local_to and not is_node_id(local_to):
        raise InvalidCatalogue(source=name, detail=f"local_to {local_to!r} 不是节点编号 is not a node id")
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
        members = tomllib.loads(data.decode("utf-8-sig"))
    except OSError as fault:
        raise InvalidCatalogue(source=name, detail=f"无法读取 cannot be read: {fault.strerror}") from fault
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise InvalidCatalogue(source=name, detail=f"不是 UTF-8 的 TOML not TOML in UTF-8: {fault}") from fault
    faults = Faults()
    catalogue = _catalogue(Reader("目录 catalogue", members, faults), local_to)
    if faults.found:
        raise InvalidCatalogue(source=name, detail="\n".join(faults.found))
    return catalogue


def _catalogue(reader: Reader, local_to: str) -> CatalogueFile:
    edition = reader.text("edition")
    lists: dict[str, CodeList] = {}
    for item in reader.tables("code_lists", "id", "代码表 code list"):
        code_list = _code_list(item)
        if code_list.id in lists:
            item.fault("id", "重复 is given twice")
        lists[code_list.id] = code_list
    collections: dict[str, Collection] = {}
    for item in reader.tables("collections", "id", "图层 collection"):
        collection = _collection(item, edition, lists, local_to)
        if collection.id in collections:
            item.fault("id", "重复 is given twice")
        collections[collection.id] = collection
    catalogue = CatalogueFile(
        edition=edition,
        title=reader.text("title"),
        title_en=reader.text("title_en", ""),
        source=reader.text("source", ""),
        collections=tuple(collections[name] for name in sorted(collections)),
        local_to=local_to,
    )
    if not collections:
        reader.fault("collections", "没有图层 there is none")
    reader.finish()
    return catalogue


def _code_list(reader: Reader) -> CodeList:
    name = reader.matching("id", _NAME)
    codes = reader.texts("codes")
    if not codes:
        reader.fault("codes", "没有代码 there is none")
    code_list = CodeList(name, reader.text("title"), reader.text("source", ""), codes)
    reader.finish()
    return code_list


def _collection(reader: Reader, edition: str, lists: dict[str, CodeList], local_to: str) -> Collection:
    fields = _fields(reader, lists)
    used = sorted({item.codes for item in fields} & lists.keys())
    collection = Collection(
        id=reader.matching("id", re.compile(re.escape(local_to) + r"\." + _NAME.pattern) if local_to else _NAME),
        family=reader.choice("family", Family),
        title=reader.text("title"),
        title_en=reader.text("title_en"),
        geometry=reader.choice("geometry", GeometryType),
        key=reader.text("key"),
        fields=fields,
        classification=reader.choice("classification", Classification, Classification.INTERNAL),
        division_field=reader.text("division_field", ""),
        source=reader.text("source", ""),
        edition=edition,
        code_lists={name: lists[name] for name in used},
    )
    _check_roles(reader, collection)
    reader.finish()
    return collection


def _fields(reader: Reader, lists: dict[str, CodeList]) -> tuple[Field, ...]:
    fields: list[Field] = []
    for item in reader.tables("fields", "name", "字段 field"):
        field = _field(item, lists)
        if field.name.lower() in {other.name.lower() for other in fields}:
            item.fault("name", "重复（不分大小写） is given twice, upper and lower case being the same")
        fields.append(field)
    if not fields:
        reader.fault("fields", "没有字段 there is none")
    _check_renames(reader, fields)
    return tuple(fields)


def _field(reader: Reader, lists: dict[str, CodeList]) -> Field:
    field = Field(
        name=reader.matching("name", _FIELD),
        title=reader.text("title"),
        type=reader.choice("type", FieldType),
        length=reader.number("length"),
        width=reader.number("width"),
        decimals=reader.number("decimals"),
        nullable=reader.flag("nullable", True),
        codes=reader.text("codes", ""),
        unit=reader.text("unit", ""),
        note=reader.text("note", ""),
        renamed_from=reader.text("renamed_from", ""),
    )
    if field.renamed_from and not _FIELD.fullmatch(field.renamed_from):
        reader.fault("renamed_from", f"{field.renamed_from!r} 不合规则 does not match {_FIELD.pattern}")
    if field.name.lower() == GEOMETRY:
        reader.fault("name", "此名称留给几何列 is kept for the geometry")
    _check_size(reader, field)
    if field.codes:
        _check_codes(reader, field, lists.get(field.codes))
    reader.finish()
    return field


def _check_renames(reader: Reader, fields: list[Field]) -> None:
    """A name that a field had is no longer there, and is that of one field only."""
    claims = [item.renamed_from.lower() for item in fields if item.renamed_from]
    for item in fields:
        was = item.renamed_from.lower()
        if was and was in {other.name.lower() for other in fields}:
            reader.fault("renamed_from", f"{item.renamed_from} 仍是字段，{item.name} 不能由它改名 is still a field")
        if claims.count(was) > 1:
            reader.fault("renamed_from", f"多个字段由 {item.renamed_from} 改名 several fields claim it: {item.name}")


def _check_size(reader: Reader, field: Field) -> None:
    """A text has a length, a decimal a width and decimals, and no other type has any."""
    text, decimal = field.type is FieldType.TEXT, field.type is FieldType.DECIMAL
    if text and not 1 <= field.length <= _MAX_LENGTH:
        reader.fault("length", f"文本长度须在 1 至 {_MAX_LENGTH} 之间 a text has from 1 to {_MAX_LENGTH} characters")
    if not text and field.length:
        reader.fault("length", f"只有文本才有长度 only a text has a length, not {field.type}")
    if decimal and not 1 <= field.width <= _MAX_WIDTH:
        reader.fault("width", f"须在 1 至 {_MAX_WIDTH} 之间 must be from 1 to {_MAX_WIDTH} digits")
    if decimal and field.decimals > field.width:
        reader.fault("decimals", "小数位多于总位数 are more than the digits in all")
    if not decimal and (field.width or field.decimals):
        reader.fault("width", f"只有 decimal 才有位数 only a decimal has width and decimals, not {field.type}")


def _check_codes(reader: Reader, field: Field, codes: CodeList | None) -> None:
    """The code list exists and its codes fit the field."""
    if codes is None:
        reader.fault("codes", f"没有代码表 {field.codes} there is no such code list")
    elif field.type is FieldType.TEXT:
        long = [code for code in codes.codes if len(code) > field.length]
        if long:
            reader.fault("codes", f"代码长于字段 codes longer than the field: {', '.join(long)}")
    elif field.type is FieldType.INTEGER:
        if not all(re.fullmatch(r"-?\d+", code) for code in codes.codes):
            reader.fault("codes", f"整数字段的代码须为数字 codes of an integer must be digits: {codes.id}")
    else:
        reader.fault("codes", f"只有文本和整数可用代码表 only text and integer have codes, not {field.type}")


def _check_roles(reader: Reader, collection: Collection) -> None:
    """The key and the division field can do what they are for."""
    key = collection.field(collection.key)
    if key is None and collection.key:
        reader.fault("key", f"没有字段 {collection.key} there is no such field")
    elif key is not None and key.nullable:
        reader.fault("key", f"主键 {key.name} 须设 nullable = false the key must not be nullable")
    elif key is not None and key.type not in (FieldType.TEXT, FieldType.INTEGER):
        reader.fault("key", f"主键 {key.name} 须为文本或整数 the key must be a text or an integer")
    if not collection.division_field:
        return
    division = collection.field(collection.division_field)
    if division is None:
        reader.fault("division_field", f"没有字段 {collection.division_field} there is no such field")
    elif division.type is not FieldType.TEXT or division.length < _DIVISION_DIGITS:
        reader.fault("division_field", "须为不少于六位的文本 must be a text of six characters or more")
