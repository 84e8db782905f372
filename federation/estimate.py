"""How many features there are, about, by what is advertised: nobody is asked.

A dataset advertises its rows and the area that covers them. Of a window it is taken to have its share of that area;
conditions on fields are not counted in, since nothing is advertised of values.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import shapely

from federation.execution.answering import Answering
from federation.selection import BoundSelection
from guotu.model.answer import Batch, Frame, MemberOutcome, Notice, Outcome
from guotu.model.boundary import Bounds
from guotu.model.collection import Collection
from guotu.model.division import contains, node_division
from guotu.model.expression import And, Expression, Like, Spatial, SpatialRelation, WithinDistance, walk
from guotu.model.plan import ExpectedDataset, Plan
from guotu.model.records import DatasetRecord

ESTIMATED = "ESTIMATED"
"""Why a member that may have some of the features was not asked."""
ESTIMATE = "ESTIMATE"
MESSAGE = (
    "估计值，依据注册中心公布的行数与覆盖范围 an estimate, from the rows and coverage that the registry advertises"
)
_SCHEMA = pa.schema(
    [
        pa.field("estimate", pa.int64(), nullable=False),
        pa.field("least", pa.int64()),
        pa.field("most", pa.int64()),
        pa.field("method", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Guess:
    """How many features of a dataset are selected."""

    estimate: float
    least: int | None
    most: int | None


def estimated(
    plan: Plan,
    selection: BoundSelection,
    collection: Collection,
    advertised: Mapping[tuple[str, int], DatasetRecord],
    division: Bounds | None,
) -> pa.RecordBatch:
    """Return the estimate: one row of `estimate`, `least`, `most` (int64) and `method` (string).

    Args:
        plan: of the question; datasets that are pruned have none of the features.
        selection: of the question.
        collection: of the question.
        advertised: what is known of datasets, by id and version.
        division: about where the division lies that features are selected of; None if there is none, or nobody knows.
    """
    kept = [item for step in plan.steps for item in step.expected if item.keep]
    guesses = [_guess(item, advertised.get((item.dataset, item.version)), selection, division) for item in kept]
    total = round(sum(guess.estimate for guess in guesses))
    least, most = _sum([guess.least for guess in guesses]), _sum([guess.most for guess in guesses])
    method = [_method(selection)]
    if _uncounted(selection.expression, collection, selection.division):
        method.append("字段条件未计入 conditions on fields are not counted in")
    if any(guess.most is None for guess in guesses):
        method.append("按最新版本的行数 by the rows of the newest versions")
    values = [[total], [least], [most], ["; ".join(method)]]
    arrays = [pa.array(column, field.type) for column, field in zip(values, _SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)


async def estimate_frames(
    answering: Answering,
    selection: BoundSelection,
    collection: Collection,
    advertised: Mapping[tuple[str, int], DatasetRecord],
    division: Bounds | None,
) -> AsyncIterator[Frame]:
    """Yield an answer that is an estimate; arguments as of `estimated`."""
    plan = answering.plan
    rows = await asyncio.to_thread(estimated, plan, selection, collection, advertised, division)
    yield answering.header(rows.schema)
    for notice in (*answering.opening_notices(), Notice(ESTIMATE, MESSAGE, plan.node)):
        yield notice
    answering.tally.digest(rows)
    yield Batch("", rows)
    told = replace(answering.completeness(), members=outcomes(plan))
    yield replace(answering.trailer(answering.tally.merged(rows.schema)), completeness=told)


def outcomes(plan: Plan) -> tuple[MemberOutcome, ...]:
    """Return that nobody was asked, and why, by dataset."""
    found = [
        MemberOutcome(
            node=item.dataset.split("/")[0],
            dataset=item.dataset,
            outcome=Outcome.PRUNED,
            reason=ESTIMATED if item.keep else item.reason,
            version=item.version,
            advertised_rows=item.rows,
            advertised_territory_m2=item.territory_m2,
        )
        for step in plan.steps
        for item in step.expected
    ]
    return tuple(sorted(found, key=lambda member: member.dataset))


def _guess(
    item: ExpectedDataset, record: DatasetRecord | None, selection: BoundSelection, division: Bounds | None
) -> Guess:
    if record is None:
        # Rows of an older version are not advertised.
        return Guess(float(item.rows), None, None)
    if selection.expression is None:
        return Guess(float(item.rows), item.rows, item.rows)
    ground = _ground(record)
    share = 1.0
    if selection.window is not None and ground is not None:
        share = _share(ground, selection.window)
    elif selection.division and division and ground is not None and not _lies_in(record, selection.division):
        share = _share(ground, shapely.box(*division))
    surely = ground is not None and _holds(selection.expression, ground)
    return Guess(max(item.rows * share, 1.0), item.rows if surely else 0, item.rows)


def _lies_in(record: DatasetRecord, division: str) -> bool:
    return contains(division, node_division(record.node))


def _ground(record: DatasetRecord) -> shapely.Geometry | None:
    """Return where the features of a dataset lie, None if that is not known."""
    if record.coverage_wkb:
        return shapely.make_valid(shapely.from_wkb(record.coverage_wkb, on_invalid="ignore"))
    extent = record.extent
    return None if extent is None else shapely.box(extent.xmin, extent.ymin, extent.xmax, extent.ymax)


def _share(ground: shapely.Geometry, window: shapely.Geometry) -> float:
    """Return the share of an area that lies in a window, by area in degrees."""
    whole = float(shapely.area(ground))
    parts = shapely.get_parts(np.array([window]))
    common = float(shapely.area(shapely.intersection(ground, shapely.union_all(shapely.make_valid(parts)))))
    return min(common / whole, 1.0) if whole > 0 else 1.0


def _holds(expression: Expression, ground: shapely.Geometry) -> bool:
    """Tell whether a condition is surely true of whatever lies on a ground."""
    if not isinstance(expression, Spatial):
        return False
    near = (SpatialRelation.INTERSECTS, SpatialRelation.WITHIN)
    return expression.relation in near and bool(shapely.contains_properly(shapely.from_wkb(expression.wkb), ground))


def _uncounted(expression: Expression | None, collection: Collection, division: str) -> bool:
    """Tell whether there are conditions of which nothing is advertised."""
    if expression is None:
        return False
    spatial = (And, Spatial, WithinDistance)
    others = [node for node in walk(expression) if not isinstance(node, spatial)]
    if division:
        others = [node for node in others if not (isinstance(node, Like) and node.field == collection.division_field)]
    return bool(others)


def _method(selection: BoundSelection) -> str:
    if selection.window is not None or selection.division:
        return "行数乘以覆盖范围的份额 rows by the share of the area that they cover"
    return "公布的行数 advertised rows"


def _sum(parts: list[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
