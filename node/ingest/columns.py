"""Which column of a file is which field of a collection."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from guotu.model.collection import Collection
from node.ingest.kinds import FaultKind
from node.ingest.tally import Tally

# Columns that GIS software keeps for itself: row numbers, planar lengths and areas, boxes.
_BOOKKEEPING = re.compile(
    r"OBJECTID(_\d+)?|OGC_FID|FID(_.*)?|GID|SHAPE_+(LENG(TH)?|AREA|LE_\d|AR_\d|LEN)|BBOX|GEOMETRY_BBOX",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What to take from a file: column of the file by field of the collection, in the collection's order."""

    column_of: Mapping[str, str]


def is_bookkeeping(column: str) -> bool:
    """Tell whether a column is GIS software's own (OBJECTID, Shape_Area ...) and holds nothing of the survey."""
    return _BOOKKEEPING.fullmatch(column) is not None


def plan_columns(
    columns: Sequence[str], collection: Collection, mapping: Mapping[str, str], tally: Tally
) -> ColumnPlan:
    """Match columns with fields: by `mapping` (column to field, empty to drop), then by name without case.

    Writes down mappings that fit nothing, fields that several columns stand for, columns that stand for no field
    and those left out. A field that no column stands for is not in the plan; the inspector tells of it.
    """
    fields = {item.name.casefold(): item.name for item in collection.fields}
    claims: dict[str, list[str]] = defaultdict(list)
    given = _given(columns, fields, mapping, tally)
    for column in columns:
        target = given.get(column, fields.get(column.casefold()))
        if target:
            claims[target].append(column)
        elif target == "" or is_bookkeeping(column):
            tally.add(FaultKind.NOTICE_COLUMN_IGNORED, column)
        else:
            tally.add(FaultKind.EXTRA_COLUMN, column)
    for field, claimants in claims.items():
        if len(claimants) > 1:
            tally.add(FaultKind.COLUMN_AMBIGUOUS, field, values=claimants)
    return ColumnPlan({item.name: claims[item.name][0] for item in collection.fields if item.name in claims})


def _given(
    columns: Sequence[str], fields: Mapping[str, str], mapping: Mapping[str, str], tally: Tally
) -> dict[str, str]:
    """Return field (or nothing) by column as the mapping says, names resolved without case."""
    given: dict[str, str] = {}
    for old, new in mapping.items():
        column = _find(old, columns)
        target = fields.get(new.casefold(), "")
        if column is None or (new and not target):
            tally.add(FaultKind.MAP_UNKNOWN, old, f"{old}={new}", values=columns)
        else:
            given[column] = target
    return given


def _find(name: str, columns: Sequence[str]) -> str | None:
    if name in columns:
        return name
    same = [column for column in columns if column.casefold() == name.casefold()]
    return same[0] if len(same) == 1 else None
