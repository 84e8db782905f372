"""Laws of evolution: what fits never loses a value, and fitting steps follow each other."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from guotu.model.collection import CodeList, Collection, Family, Field, FieldType, GeometryType
from guotu.model.evolution import evolve, holds

NAMES = st.sampled_from(["A", "B", "C", "D"])
LISTS = st.dictionaries(st.sampled_from(["1", "2", "33", "-4"]), st.just("x"), min_size=1)


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    kind = draw(st.sampled_from(FieldType))
    width = draw(st.integers(1, 25)) if kind is FieldType.DECIMAL else 0
    codes = draw(st.sampled_from(["", "l"])) if kind in (FieldType.TEXT, FieldType.INTEGER) else ""
    return Field(
        name,
        name,
        kind,
        length=draw(st.integers(2, 4)) if kind is FieldType.TEXT else 0,
        width=width,
        decimals=draw(st.integers(0, width)) if width else 0,
        nullable=draw(st.booleans()),
        codes=codes,
        renamed_from=draw(st.sampled_from(["", "A", "B", "C", "D"])),
    )


@st.composite
def collections(draw: st.DrawFn) -> Collection:
    names = draw(st.lists(NAMES, unique=True, max_size=3))
    key = Field("K", "key", FieldType.INTEGER, nullable=False)
    own = tuple(draw(fields(name)) for name in names)
    lists = {"l": CodeList("l", "", "", draw(LISTS))}
    return Collection("c", Family.STATUS, "c", "c", GeometryType.NONE, "K", (key, *own), code_lists=lists)


def values_of(field: Field, lists: dict[str, CodeList]) -> list[object]:
    """Return extreme values that a field may have; numbers as (digits, places)."""
    match field.type:
        case FieldType.TEXT:
            return list(lists["l"].codes) if field.codes else ["x" * field.length]
        case FieldType.INTEGER:
            return [int(code) for code in lists["l"].codes] if field.codes else [2**63 - 1, -(2**63), 2**53 + 1]
        case _:
            return []


@given(collections())
def test_nothing_changes_into_itself(collection: Collection) -> None:
    found = evolve(collection, collection)
    assert (found.added, found.widened, found.relaxed, found.extended, found.breaks) == ((), (), (), (), ())


@given(collections(), collections())
def test_every_field_is_accounted_for(old: Collection, new: Collection) -> None:
    found = evolve(old, new)
    kept = {found.renamed.get(item.name, item.name) for item in old.fields} & {item.name for item in new.fields}
    gone = len(old.fields) - len(kept)
    required = sum(item.name not in kept and not item.nullable for item in new.fields)
    assert len(kept) + len(found.added) + required == len(new.fields)
    assert sum("is gone" in sentence for sentence in found.breaks) == gone
    assert sum("the new field" in sentence for sentence in found.breaks) == required


@given(fields("A"), fields("A"), LISTS)
def test_what_fits_holds_every_extreme_value(old: Field, new: Field, codes: dict[str, str]) -> None:
    lists = {"l": CodeList("l", "", "", codes)}
    fits = holds(new, old, lists["l"] if old.codes else None)
    for value in values_of(old, lists) if fits else ():
        match new.type:
            case FieldType.TEXT:
                assert old.codes or len(str(value)) <= new.length
            case FieldType.DECIMAL:
                assert len(str(abs(int(str(value))))) <= new.width - new.decimals
            case FieldType.DOUBLE:
                assert int(float(str(value))) == value
            case _:
                assert new.type is old.type


def narrowest(kind: FieldType, size: int, places: int) -> Field:
    text, decimal = kind is FieldType.TEXT, kind is FieldType.DECIMAL
    return Field("F", "F", kind, size if text else 0, size if decimal else 0, min(places, size) if decimal else 0)


types = st.builds(narrowest, st.sampled_from(FieldType), st.integers(1, 30), st.integers(0, 12))


@given(types, types, types)
def test_holding_is_transitive(a: Field, b: Field, c: Field) -> None:
    assert holds(a, a, None)
    assert not (holds(b, a, None) and holds(c, b, None)) or holds(c, a, None)


@given(collections(), st.sampled_from(["", "l"]), st.booleans())
def test_an_optional_field_more_always_fits(collection: Collection, codes: str, first: bool) -> None:
    new = Field("E", "E", FieldType.TEXT, length=2, codes=codes)
    fields = (new, *collection.fields) if first else (*collection.fields, new)
    found = evolve(collection, replace(collection, fields=fields))
    assert (found.added, found.breaks) == (("E",), ())
    back = evolve(replace(collection, fields=fields), collection)
    assert len(back.breaks) == 1
