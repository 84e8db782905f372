"""How a collection's definition changes, and whether versions of the old one still fit the new one.

What fits: an optional field more, a wider type that holds every old value exactly, a field that may be null now, one
under a new name (`Field.renamed_from`), codes more, another order, other titles. All else breaks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field

from guotu.model.collection import CodeList, Collection, Field, FieldType

_LARGEST_EXACT = 2**53
"""Up to here a DOUBLE tells every whole number from the next (IEEE 754 binary64)."""
_LARGEST_INTEGER = 2**63
"""An INTEGER travels as int64."""


@dataclass(frozen=True, slots=True)
class Evolution:
    """What becomes of a collection's rows; names are those of the new definition."""

    added: tuple[str, ...] = ()
    """New optional fields."""
    widened: tuple[str, ...] = ()
    """Fields whose type holds more than before."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """New name by old name."""
    relaxed: tuple[str, ...] = ()
    """Fields that may be null now, or whose values are bound to no code list any more."""
    extended: tuple[str, ...] = ()
    """Fields whose code list has codes more."""
    breaks: tuple[str, ...] = ()
    """Why rows of the old definition do not fit the new one, a sentence each, Chinese then English; none if they do."""

    @property
    def is_compatible(self) -> bool:
        """Tell whether versions of the old definition and of the new one may follow each other in one series."""
        return not self.breaks


def evolve(old: Collection, new: Collection) -> Evolution:
    """Compare two definitions of one collection."""
    renamed = renames(old, new)
    before = {renamed.get(item.name, item.name): item for item in old.fields}
    after = {item.name: item for item in new.fields}
    added = [item for name, item in after.items() if name not in before]
    steps = [_step(before[name], item, old, new) for name, item in after.items() if name in before]
    breaks = [
        *_collection_breaks(old, new, renamed),
        *(f"字段 {item.name} 删去了 field {item.name} is gone" for name, item in before.items() if name not in after),
        *(
            f"新增字段 {item.name} 必填，旧版本没有 the new field {item.name} is required; earlier versions lack it"
            for item in added
            if not item.nullable
        ),
        *(sentence for step in steps for sentence in step.breaks),
    ]
    return Evolution(
        added=tuple(item.name for item in added if item.nullable),
        widened=tuple(step.field for step in steps if step.widened),
        renamed=renamed,
        relaxed=tuple(step.field for step in steps if step.relaxed),
        extended=tuple(step.field for step in steps if step.extended),
        breaks=tuple(breaks),
    )


@dataclass(frozen=True, slots=True)
class _Step:
    """What becomes of one field that both definitions have."""

    field: str
    widened: bool
    relaxed: bool
    extended: bool
    breaks: tuple[str, ...]


def renames(old: Collection, new: Collection) -> dict[str, str]:
    """Return new name by old name; a name that the old definition had, or that two claim, is no rename."""
    claims = Counter(item.renamed_from for item in new.fields)
    return {
        item.renamed_from: item.name
        for item in new.fields
        if old.field(item.renamed_from) is not None
        and new.field(item.renamed_from) is None
        and old.field(item.name) is None
        and claims[item.renamed_from] == 1
    }


def _collection_breaks(old: Collection, new: Collection, renamed: Mapping[str, str]) -> Iterator[str]:
    """Yield what breaks for the rows as a whole."""
    if old.id != new.id:
        yield f"图层由 {old.id} 改为 {new.id} the collection {old.id} is now {new.id}"
    if old.key != new.key:
        yield f"主键由 {old.key} 改为 {new.key} the key {old.key} is now {new.key}"
    if old.geometry is not new.geometry:
        yield f"几何类型由 {old.geometry} 改为 {new.geometry} the geometry type {old.geometry} is now {new.geometry}"
    if renamed.get(old.division_field, old.division_field) != new.division_field:
        before, after = old.division_field or "无 none", new.division_field or "无 none"
        yield f"区划字段由 {before} 改为 {after} the division field {before} is now {after}"


def _step(old: Field, new: Field, before: Collection, after: Collection) -> _Step:
    codes, bound = before.code_lists.get(old.codes), after.code_lists.get(new.codes)
    return _Step(
        field=new.name,
        widened=_type_of(old) != _type_of(new) and holds(new, old, codes),
        relaxed=(new.nullable and not old.nullable) or (bool(old.codes) and not new.codes),
        extended=bool(old.codes) and _codes(codes) < _codes(bound),
        breaks=tuple(_field_breaks(old, new, codes, bound)),
    )


def _field_breaks(old: Field, new: Field, codes: CodeList | None, bound: CodeList | None) -> Iterator[str]:
    """Yield what breaks for one field; `codes` and `bound` are its code lists before and after."""
    zh, en = f"字段 {new.name}：", f"field {new.name}: "
    if not holds(new, old, codes):
        was, now = _type_of(old), _type_of(new)
        yield f"{zh}{now} 装不下 {was} 的值 {en}{now} does not hold every value of {was}"
    if old.nullable and not new.nullable:
        yield f"{zh}改为必填 {en}it is required now"
    if old.unit != new.unit:
        was, now = old.unit or "无 none", new.unit or "无 none"
        yield f"{zh}单位由 {was} 改为 {now} {en}the unit {was} is now {now}"
    if new.codes and not old.codes:
        yield f"{zh}改用代码表 {new.codes} {en}its values are bound to the code list {new.codes} now"
    if old.codes and new.codes and (gone := sorted(_codes(codes) - _codes(bound))):
        lost, now = ", ".join(gone), new.codes
        yield f"{zh}代码表 {now} 缺 {old.codes} 的 {lost} {en}the code list {now} lacks {lost} of {old.codes}"


def _codes(code_list: CodeList | None) -> Set[str]:
    return set() if code_list is None else code_list.codes.keys()


def _type_of(item: Field) -> str:
    """Return a field's type with its size: "text(18)", "decimal(15,2)", "date"."""
    match item.type:
        case FieldType.TEXT:
            return f"{item.type}({item.length})"
        case FieldType.DECIMAL:
            return f"{item.type}({item.width},{item.decimals})"
        case _:
            return str(item.type)


def holds(new: Field, old: Field, codes: CodeList | None) -> bool:
    """Tell whether every value that the old type may have is exactly one of the new type."""
    match old.type, new.type:
        case FieldType.TEXT, FieldType.TEXT:
            return new.length >= old.length
        case FieldType.DECIMAL, FieldType.DECIMAL:
            return new.decimals >= old.decimals and new.width - new.decimals >= old.width - old.decimals
        case FieldType.INTEGER, FieldType.DECIMAL:
            return new.width - new.decimals >= len(str(_largest(codes)))
        case FieldType.INTEGER, FieldType.DOUBLE:
            return _largest(codes) <= _LARGEST_EXACT
        case _:
            return old.type is new.type


def _largest(codes: CodeList | None) -> int:
    """Return the largest whole number that an INTEGER may have, which is known better where it is a code."""
    try:
        return _LARGEST_INTEGER if codes is None else max((abs(int(code)) for code in codes.codes), default=0)
    except ValueError:
        return _LARGEST_INTEGER
