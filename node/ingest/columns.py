"""Which column of a file is which field of a collection."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from guotu.model.collection import Collection
from node.ingest.kinds import FaultKind
from node.ingest.tally import Tally

# Columns that GIS software keeps for itself: row numbers, planar lengths and areas, boxes.
_BOOKKEEPING = re.compile(
    r"OBJECTID(_\d+)?|OGC_FID|FID(_.*)?|GID|SHAPE_+(LENG(TH)?|AREA|LE_\d|AR_\d|LEN)|BBOX|GEOMETRY_BBOX",
    re.IGNORECASE,
)


OPERATION = "_op"
"""Column of an increment that says of each row whether it is an insert or an update."""
BEFORE = "__before"
"""Suffix of a column of an increment: the field's value before the change, as the surveyor knows it."""


class Role(StrEnum):
    """What a file is for."""

    LAYER = "layer"
    """All features."""
    CHANGES = "changes"
    """New states of those features that changed, maybe with `OPERATION` and stated values before."""
    DELETES = "deletes"
    """Keys of the features that are no more, maybe with stated values."""


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What to take from a file: column of the file by field of the collection, in the collection's order.

    Those of `stated_columns` come after the fields.
    """

    column_of: Mapping[str, str]


def is_bookkeeping(column: str) -> bool:
    """Tell whether a column is GIS software's own (OBJECTID, Shape_Area ...) and holds nothing of the survey."""
    return _BOOKKEEPING.fullmatch(column) is not None


def stated_columns(collection: Collection) -> tuple[str, ...]:
    """Return the names of columns that an increment may have besides the collection's."""
    return OPERATION, *(f"{item.name}{BEFORE}" for item in collection.fields if item.name != collection.key)


def plan_columns(
    columns: Sequence[str],
    collection: Collection,
    mapping: Mapping[str, str],
    tally: Tally,
    role: Role = Role.LAYER,
    operation: str | None = None,
) -> ColumnPlan:
    """Match columns with fields: by `mapping` (column to field, empty to drop), then by name without case.

    Writes down mappings that fit nothing, fields that several columns stand for, columns that stand for no field
    and those left out. A field that no column stands for is not in the plan; the inspector tells of it. `operation`
    is the column to take as `OPERATION`; it may be a field as well.
    """
    targets = _targets(collection, role)
    given = _given(columns, targets, mapping, tally, role)
    stated = _operation(operation, columns, tally)
    strange = FaultKind.NOTICE_DELETES_COLUMN if role is Role.DELETES else FaultKind.EXTRA_COLUMN
    claims: dict[str, list[str]] = defaultdict(list)
    for column in columns:
        target = given.get(column, targets.get(column.casefold()))
        if target and not (stated and target == OPERATION):
            claims[target].append(column)
        elif column != stated:
            ignored = target is not None or is_bookkeeping(column)
            tally.add(FaultKind.NOTICE_COLUMN_IGNORED if ignored else strange, column)
    if stated:
        claims[OPERATION].append(stated)
    for field, claimants in claims.items():
        if len(claimants) > 1:
            tally.add(FaultKind.COLUMN_AMBIGUOUS, field, values=claimants)
    order = [*(item.name for item in collection.fields), *stated_columns(collection)]
    return ColumnPlan({name: claims[name][0] for name in order if name in claims})


def _operation(name: str | None, columns: Sequence[str], tally: Tally) -> str | None:
    """Return the column that was named to stand for `OPERATION`; None if none was, or there is none of that name."""
    found = None if name is None else _find(name, columns)
    if name is not None and found is None:
        tally.add(FaultKind.MAP_UNKNOWN, name, f"{name}={OPERATION}", values=columns)
    return found


def _targets(collection: Collection, role: Role) -> dict[str, str]:
    """Return what columns may stand for, by their names without case; a field before anything else of its name."""
    own = {item.name.casefold(): item.name for item in collection.fields}
    if role is Role.CHANGES:
        return {name.casefold(): name for name in stated_columns(collection)} | own
    if role is Role.DELETES:
        return {f"{name}{BEFORE}": field for name, field in own.items()} | own
    return own


def _given(
    columns: Sequence[str], fields: Mapping[str, str], mapping: Mapping[str, str], tally: Tally, role: Role
) -> dict[str, str]:
    """Return field (or nothing) by column as the mapping says, names resolved without case.

    A list of deletes is given the mapping of the changes beside it, which may name columns that it does not have.
    """
    given: dict[str, str] = {}
    for old, new in mapping.items():
        column = _find(old, columns)
        target = fields.get(new.casefold(), "")
        if column is not None and (target or not new):
            given[column] = target
        elif role is not Role.DELETES or column is not None:
            tally.add(FaultKind.MAP_UNKNOWN, old, f"{old}={new}", values=columns)
    return given


def _find(name: str, columns: Sequence[str]) -> str | None:
    if name in columns:
        return name
    same = [column for column in columns if column.casefold() == name.casefold()]
    return same[0] if len(same) == 1 else None
