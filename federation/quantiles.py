"""Exact quantiles: features are counted by ever narrower classes, until a class is a single value.

Counts of classes are merged by addition, so only some hundred numbers travel, whatever the number of features. All
rounds are on the cut of the first one. Every value of a field has a whole number that is in the same order (of a
decimal its digits, of a double its bits), which is what is cut: into 64 parts in each round.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Context, Decimal

import numpy as np
import pyarrow as pa

from federation.execution.deadline import Deadline
from federation.execution.tally import Tally
from federation.partial import AskStats, Step, step
from federation.planning.phrases import quantiles_phrase
from guotu.model.answer import Batch, Completeness, Frame, Trailer
from guotu.model.bins import is_exact
from guotu.model.collection import Collection, Field, FieldType
from guotu.model.digest import result_digest
from guotu.model.errors import IncompleteAnswer
from guotu.model.grouping import BIN, require_field
from guotu.model.plan import Plan
from guotu.model.question import Aggregate, AggregateFunction, Bins, Quantiles, Stats
from guotu.model.schema import arrow_type

_COUNT, _LOW, _HIGH = "count", "low_value", "high_value"
_MOST_BEGINNINGS = 3
_PARTS, _LEAST_PARTS = 64, 4
"""Classes of a round, in all and of each range: a hundred of them cost as much as the look at the values."""
_SIGN = 1 << 63
_LAST_DAY = date.max.toordinal()
_EXACTLY = Context(prec=80)


def quantile_schema(field: Field) -> pa.Schema:
    """Return the schema: `quantile` (double), `value` (of the field), `rank` and `count` (int64)."""
    return pa.schema(
        [
            pa.field("quantile", pa.float64(), nullable=False),
            pa.field("value", arrow_type(field)),
            pa.field("rank", pa.int64()),
            pa.field("count", pa.int64(), nullable=False),
        ]
    )


@dataclass(slots=True)
class _Range:
    """Where the value of a rank is: its number is in [low, high]."""

    rank: int
    low: int
    high: int


class Ranking:
    """Finds the quantiles of one question."""

    def __init__(
        self, question: Stats, quantiles: Quantiles, collection: Collection, ask: AskStats, deadline: Deadline
    ) -> None:
        self._question = replace(question, quantiles=None, options=replace(question.options, receipt=False))
        self._at = quantiles.at
        self._phrase = quantiles_phrase(quantiles)
        self._field = require_field(collection, quantiles.field)
        self._ask = ask
        self._deadline = deadline

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield the answer.

        Raises: as `guotu.model.ports.FeatureQuery.stats`; IncompleteAnswer also where members come and go.
        """
        started = time.perf_counter()
        for _ in range(_MOST_BEGINNINGS):
            first = await self._first()
            found = await self._search(first)
            if found is not None:
                break
        else:
            raise IncompleteAnswer(missing=first.trailer.completeness.missing_sentence() or "members come and go")
        rows, last = found
        yield replace(first.header, schema=rows.schema, plan=self._told(first.header.plan))
        for notice in first.notices:
            yield notice
        tally = Tally()
        tally.digest(rows)
        yield Batch("", rows)
        segments = tally.merged(rows.schema)
        yield Trailer(
            completeness=last.trailer.completeness,
            rows=tally.rows,
            size_bytes=tally.size_bytes,
            digest=result_digest(segments),
            segments=segments,
            elapsed_ms=(time.perf_counter() - started) * 1000,
            plan=None if last.trailer.plan is None else self._told(last.trailer.plan),
        )

    def _told(self, plan: Plan) -> Plan:
        """Return the plan of a round as that of the whole."""
        return replace(plan, pushed_down=(self._phrase, *plan.pushed_down))

    async def _first(self) -> Step:
        """Count all values, and find the least and the greatest one."""
        name = self._field.name
        aggregates = (
            Aggregate(AggregateFunction.COUNT, name, _COUNT),
            Aggregate(AggregateFunction.MIN, name, _LOW),
            Aggregate(AggregateFunction.MAX, name, _HIGH),
        )
        return await step(self._ask, replace(self._question, aggregates=aggregates), self._deadline)

    async def _search(self, first: Step) -> tuple[pa.RecordBatch, Step] | None:
        """Narrow all ranges to single values; None if others answered than did at first."""
        count = int(first.rows[_COUNT][0].as_py()) if first.rows.num_rows else 0
        if not count:
            return self._rows([None] * len(self._at), [None] * len(self._at), 0), first
        low, high = self._ends(first.rows[_LOW][0].as_py(), first.rows[_HIGH][0].as_py())
        ranks = [min(max(_ceil(share, count), 1), count) for share in self._at]
        ranges = [_Range(rank, low, high) for rank in ranks]
        last = first
        while any(item.low < item.high for item in ranges):
            cuts = _cuts(ranges, self._field)
            last = await self._counted(cuts, first)
            if _who(last.trailer.completeness) != _who(first.trailer.completeness):
                return None
            _narrow(ranges, cuts, last.rows)
        return self._rows([_value(item.low, self._field) for item in ranges], list(ranks), count), last

    async def _counted(self, cuts: list[int], first: Step) -> Step:
        """Count values by classes that begin at these numbers; the last one ends at the last number."""
        edges = tuple(_text(number, self._field) for number in cuts)
        question = replace(
            self._question,
            aggregates=(Aggregate(AggregateFunction.COUNT, "", _COUNT),),
            bins=Bins(self._field.name, 0, edges),
            options=replace(self._question.options, cut=dict(first.header.cut), closed=bool(first.header.cut)),
        )
        return await step(self._ask, question, self._deadline)

    def _ends(self, low: object, high: object) -> tuple[int, int]:
        """Return the numbers of the least and the greatest value; all that there are, if a double does not tell."""
        if any(isinstance(end, float) and not is_exact(end, self._field) for end in (low, high)):
            return 1 - 10**self._field.width, 10**self._field.width - 1
        return _number(low, self._field), _number(high, self._field)

    def _rows(self, values: list[object], ranks: list[int | None], count: int) -> pa.RecordBatch:
        schema = quantile_schema(self._field)
        columns = [list(self._at), values, ranks, [count] * len(self._at)]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _ceil(share: float, count: int) -> int:
    """Return share times count, rounded up; the share is the decimal that it is written as."""
    return math.ceil(Decimal(repr(share)) * count)


def _who(completeness: Completeness) -> dict[str, bool]:
    return {member.dataset: member.outcome.whole for member in completeness.members}


def _cuts(ranges: list[_Range], field: Field) -> list[int]:
    """Return numbers at which classes begin, so that each range is cut into as many parts as there is room for.

    After the last class comes what is above it: the last day that there is, where the last range ends with that one.
    """
    open_ranges = {(item.low, item.high) for item in ranges if item.low < item.high}
    parts = max(_PARTS // len(open_ranges), _LEAST_PARTS)
    cuts = set()
    for low, high in open_ranges:
        width = high + 1 - low
        cuts |= {low + width * part // parts for part in range(parts + 1)}
    if field.type is FieldType.DATE and max(cuts) > _LAST_DAY:
        cuts = {cut for cut in cuts if cut < _LAST_DAY}
        cuts |= {_LAST_DAY - 2}  # there must be two at least
    return sorted(cuts)


def _narrow(ranges: list[_Range], cuts: list[int], groups: pa.Table) -> None:
    """Move each range to the class that its rank lies in."""
    number = groups[BIN].fill_null(-1).to_numpy()
    counts = np.zeros(len(cuts) + 1, np.int64)
    known = number >= 0
    counts[number[known]] = groups[_COUNT].to_numpy()[known]
    before = np.concatenate([[0], np.cumsum(counts)])  # before[i]: values less than cut i - 1
    for item in ranges:
        if item.low == item.high:
            continue
        place = int(np.searchsorted(before, item.rank, side="left")) - 1
        if place > 0:
            item.low = max(item.low, cuts[place - 1] + (place == len(cuts)))  # the last class has its upper end
        if place < len(cuts):
            closed = place == len(cuts) - 1
            item.high = min(item.high, cuts[place] if closed else cuts[place] - 1)


def _number(value: object, field: Field) -> int:
    """Return the number of a value, in the order of values."""
    if isinstance(value, date):
        return value.toordinal()
    if isinstance(value, int):
        return value
    if field.type is FieldType.DECIMAL:
        return int(Decimal(repr(value)).scaleb(field.decimals, _EXACTLY).to_integral_value())
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    return int(bits) if bits >= 0 else -(bits + _SIGN)


def _value(number: int, field: Field) -> object:
    """Return the value of a number, as it leaves a store."""
    match field.type:
        case FieldType.DATE:
            return date.fromordinal(number)
        case FieldType.DECIMAL:
            return float(Decimal(number).scaleb(-field.decimals, _EXACTLY))
        case FieldType.DOUBLE:
            (value,) = struct.unpack("<d", struct.pack("<q", number if number >= 0 else -number - _SIGN))
            return value + 0.0
    return number


def _text(number: int, field: Field) -> str:
    """Return the value of a number as an edge."""
    match field.type:
        case FieldType.DATE:
            return date.fromordinal(number).isoformat()
        case FieldType.DECIMAL:
            return str(Decimal(number).scaleb(-field.decimals, _EXACTLY))
        case FieldType.DOUBLE:
            return repr(_value(number, field))
    return str(number)
