"""What a catalogue would change, in words, and whether existing data can bear it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from guotu.model.collection import Collection, Field
from guotu.model.evolution import holds, renames
from registry.catalogue_file import CatalogueFile

_ATTRIBUTES = (
    ("geometry", "几何类型", True),
    ("key", "主键", True),
    ("division_field", "区划字段", True),
    ("family", "类别", False),
    ("classification", "密级", False),
    ("title", "名称", False),
    ("title_en", "英文名称", False),
    ("source", "依据", False),
    ("edition", "版次", False),
)
"""Attribute of a collection, its Chinese name, and whether a change of it breaks existing data."""


class ChangeKind(StrEnum):
    """What happens to a collection."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the catalogue in force and a new one."""

    kind: ChangeKind
    collection: str
    subject: str
    """Field ("DLBM") or attribute ("key") that changes; empty for a whole collection."""
    zh: str
    en: str
    breaking: bool
    """True if data published under the old definition may not satisfy the new one."""


def diff_catalogue(current: Iterable[Collection], new: CatalogueFile) -> list[Change]:
    """Compare the collections in force with a file's, sorted by collection; other owners' collections are left out."""
    before = {item.id: item for item in current if new.governs(item.id)}
    after = {item.id: item for item in new.collections}
    changes: list[Change] = []
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            changes.append(_removed(before[name]))
        elif name not in before:
            changes.append(_added(after[name]))
        else:
            changes += _collection_changes(before[name], after[name])
    return changes


def _added(item: Collection) -> Change:
    zh, en = f"新增图层 {item.id}（{item.title}）", f"adds collection {item.id} ({item.title_en})"
    return Change(ChangeKind.ADDED, item.id, "", zh, en, False)


def _removed(item: Collection) -> Change:
    zh, en = f"删去图层 {item.id}（{item.title}）", f"removes collection {item.id} ({item.title_en})"
    return Change(ChangeKind.REMOVED, item.id, "", zh, en, True)


def _collection_changes(old: Collection, new: Collection) -> Iterator[Change]:
    renamed = renames(old, new)
    for attribute, chinese, breaking in _ATTRIBUTES:
        before, after = getattr(old, attribute), getattr(new, attribute)
        if attribute == "division_field":
            before = renamed.get(before, before)
        if before != after:
            zh = f"图层 {new.id} 的{chinese}由 {before or '无'} 改为 {after or '无'}"
            en = f"collection {new.id}: {attribute} changes from {before or 'none'} to {after or 'none'}"
            yield Change(ChangeKind.CHANGED, new.id, attribute, zh, en, breaking)
    before_fields = {renamed.get(item.name, item.name): item for item in old.fields}
    after_fields = {item.name: item for item in new.fields}
    for name in [*before_fields, *(name for name in after_fields if name not in before_fields)]:
        for zh, en, breaking in _field_changes(before_fields.get(name), after_fields.get(name), old, new):
            zh, en = f"图层 {new.id} 字段 {name}：{zh}", f"collection {new.id}, field {name}: {en}"
            yield Change(ChangeKind.CHANGED, new.id, name, zh, en, breaking)
    yield from _code_changes(old, new)
    if list(before_fields) != list(after_fields) and before_fields.keys() == after_fields.keys():
        zh, en = f"图层 {new.id} 的字段顺序改变", f"collection {new.id}: the order of fields changes"
        yield Change(ChangeKind.CHANGED, new.id, "fields", zh, en, False)


def _field_changes(
    old: Field | None, new: Field | None, before: Collection, after: Collection
) -> Iterator[tuple[str, str, bool]]:
    """Yield (Chinese, English, breaking) for a field of the collection before and after."""
    if old is None and new is not None:
        yield (("新增", "is added", False) if new.nullable else ("新增，必填", "is added and must be filled in", True))
    if new is None:
        yield "删去", "is removed", True
    if old is None or new is None:
        return
    if old.name != new.name:
        yield f"由 {old.name} 改名", f"is renamed from {old.name}", old.name == before.key
    for attribute, chinese, breaking in _attributes(old, new, before, after):
        was, now = getattr(old, attribute), getattr(new, attribute)
        if was != now:
            yield (
                f"{chinese}由 {_word(was)} 改为 {_word(now)}",
                f"{attribute} changes from {was or 'none'} to {now or 'none'}",
                breaking,
            )


def _attributes(old: Field, new: Field, before: Collection, after: Collection) -> list[tuple[str, str, bool]]:
    """Return (attribute of a field, its Chinese name, whether a change of it breaks existing data)."""
    codes, bound = before.code_lists.get(old.codes), after.code_lists.get(new.codes)
    narrowed = not holds(new, old, codes)
    codes_lost = bool(new.codes) and (codes is None or bound is None or not codes.codes.keys() <= bound.codes.keys())
    attributes = [
        ("type", "类型", narrowed),
        ("length", "长度", narrowed),
        ("width", "总位数", narrowed),
        ("decimals", "小数位", narrowed),
        ("nullable", "可空", not new.nullable),
        ("codes", "代码表", codes_lost),
        ("unit", "单位", True),
        ("title", "名称", False),
        ("note", "说明", False),
    ]
    # A rename that takes effect is told in itself.
    return [*attributes, ("renamed_from", "原名", False)] if old.name == new.name else attributes


def _word(value: object) -> str:
    return {True: "是", False: "否"}[value] if isinstance(value, bool) else str(value or "无")


def _code_changes(old: Collection, new: Collection) -> Iterator[Change]:
    """Yield changes of code lists that both use."""
    for name in sorted(old.code_lists.keys() & new.code_lists.keys()):
        before, after = old.code_lists[name].codes, new.code_lists[name].codes
        gone = sorted(before.keys() - after.keys())
        come = sorted(after.keys() - before.keys())
        renamed = sorted(code for code in before.keys() & after.keys() if before[code] != after[code])
        for codes, chinese, english, breaking in (
            (gone, "删去", "loses", True),
            (come, "新增", "gains", False),
            (renamed, "改名", "renames", False),
        ):
            if codes:
                zh = f"图层 {new.id} 的代码表 {name}：{chinese} {'、'.join(codes)}"
                en = f"collection {new.id}, code list {name}: {english} {', '.join(codes)}"
                yield Change(ChangeKind.CHANGED, new.id, name, zh, en, breaking)
