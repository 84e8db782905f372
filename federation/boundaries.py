"""Boundaries of divisions, put together from what their owners hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
import pyarrow as pa
import shapely

from federation.divisions import require_division
from federation.execution.deadline import Deadline
from guotu.model.answer import Batch, Frame, Header, Trailer
from guotu.model.boundary import Boundary, Bounds, FindDivisions, KnownDivision
from guotu.model.collection import GEOMETRY
from guotu.model.division import contains, node_division, prefix_of
from guotu.model.errors import BoundaryMissing, IncompleteAnswer, InvalidQuestion, TooLarge, UnknownBoundary
from guotu.model.plan import Plan
from guotu.model.ports import Directory
from guotu.model.question import Cut, Options, Query, Selection
from guotu.model.records import DatasetRecord

PART = "boundary"
Ask = Callable[[Query, float], AsyncIterator[Frame]]
"""Asks a question within so many seconds."""
_MOST_PARTS = 10_000
_MOST_SHOWN = 12
_AT_ONCE = 16
"""Datasets that are asked side by side."""
_SLACK = 0.1
"""Of the side of a division's bounds: how far what was put together may stay behind them."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A collection of divisions: which fields hold their codes."""

    collection: str
    code: str


LAYERS = (Layer("xzq", "XZQDM"), Layer("county", "adcode"))
"""Where boundaries are looked for, the first choice first."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """Features of divisions, and where they came from."""

    codes: tuple[str, ...]
    shapes: tuple[shapely.Geometry, ...]
    cut: Cut

    def joined(self, other: _Parts) -> _Parts:
        """Return both; of a code that both have, these."""
        known = set(self.codes)
        fresh = [at for at, code in enumerate(other.codes) if code not in known]
        codes = (*self.codes, *(other.codes[at] for at in fresh))
        return _Parts(codes, (*self.shapes, *(other.shapes[at] for at in fresh)), {**other.cut, **self.cut})


_NOTHING = _Parts((), (), {})


class Boundaries:
    """Finds the boundary of a division: from whoever owns it, else from the nearest owner above."""

    def __init__(self, directory: Directory, find: FindDivisions) -> None:
        self._directory = directory
        self._find = find

    async def resolve(self, wanted: str, cut: Cut, timeout: float, ask: Ask, closed: bool = False) -> Boundary:
        """Return the boundary of a division.

        It is the feature of that division's code, or the union of what lies below it.

        Args:
            wanted: code or name.
            cut: versions to take it from; datasets not named are read at their head.
            timeout: seconds.
            ask: answers questions about single datasets, wherever they are.
            closed: the cut is whole, datasets not named are not read.

        Raises:
            InvalidQuestion: the name is not known, or means several divisions.
            UnknownBoundary: nobody holds it, or not the whole of it.
            BoundaryMissing: who holds it does not answer.
        """
        division = self._division(wanted)
        try:
            return await self._resolved(division, cut, Deadline.after(timeout), ask, closed)
        except IncompleteAnswer as failure:
            told = BoundaryMissing(division=_named(division), missing=failure.facts.get("missing", ""))
            told.completeness = failure.completeness
            raise told from failure

    async def _resolved(
        self, division: KnownDivision, cut: Cut, deadline: Deadline, ask: Ask, closed: bool
    ) -> Boundary:
        datasets = self._directory.view().datasets
        found: list[str] = []
        for layer in LAYERS:
            parts = _NOTHING
            known = datasets.get(layer.collection, {})
            known = {name: record for name, record in known.items() if name in cut} if closed else known
            for tier, alone in _tiers(known, division.code):
                for some in _batched(tier):
                    for more in await _side_by_side(_read(layer, division, name, cut, deadline, ask) for name in some):
                        parts = parts.joined(more)
                boundary = await asyncio.to_thread(_put_together, division, parts, alone)
                if boundary is not None:
                    return boundary
            found += [f"{len(parts.codes)} 个 parts of {layer.collection}"] if parts.codes else []
        detail = ", ".join(found) or "无人发布其界线 nobody has published it"
        raise UnknownBoundary(division=_named(division), detail=detail)

    def require(self, code: str) -> None:
        """Check that a division has a code; raises UnknownDivision."""
        require_division(code, self._find, self._directory.view())

    def bounds(self, code: str) -> Bounds | None:
        """Return about where a division lies; None if its code is not known."""
        found = self._find(code)
        return found[0].bounds if len(found) == 1 else None

    def _division(self, wanted: str) -> KnownDivision:
        found = self._find(wanted.strip())
        if len(found) == 1:
            return found[0]
        if not found:
            detail = (
                f"{wanted!r}: 没有此行政区划 no such division; 请用全称或六位代码 give its full name or six-digit code"
            )
            raise InvalidQuestion(part=PART, detail=detail)
        listed = [f"{division.code} {division.name}" for division in found[:_MOST_SHOWN]]
        more = [f"… +{len(found) - _MOST_SHOWN}"] if len(found) > _MOST_SHOWN else []
        detail = (
            f"{wanted!r}: 有多个同名行政区划，请用代码 several have that name, give a code: {', '.join(listed + more)}"
        )
        raise InvalidQuestion(part=PART, detail=detail)


def _named(division: KnownDivision) -> str:
    return f"{division.code} {division.name}".strip()


def _tiers(datasets: Mapping[str, DatasetRecord], code: str) -> Iterable[tuple[list[str], bool]]:
    """Yield datasets to ask together, and whether what they have need not be put together with what comes.

    First those of the division's own nodes, then those below, then those above, the nearest first.
    """
    owners = {name: node_division(record.node) for name, record in sorted(datasets.items())}
    # Who is nearer to what a feature describes comes first: of a feature that two have, that one's is taken.
    nearest = sorted(owners, key=lambda name: -len(prefix_of(owners[name])))
    own = [name for name in nearest if owners[name] == code]
    below = [name for name in nearest if contains(code, owners[name]) and owners[name] != code]
    above = [name for name in nearest if contains(owners[name], code) and owners[name] != code]
    if own:
        yield own, not below
    if below:
        yield below, True
    for _, tier in groupby(above, key=lambda name: owners[name]):
        yield list(tier), True


def _batched(names: list[str]) -> Iterable[list[str]]:
    """Yield names so many at a time."""
    return (names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE))


async def _side_by_side(reads: Iterable[Coroutine[None, None, _Parts]]) -> list[_Parts]:
    """Return what all give, in their order; where one fails the others are stopped."""
    tasks = [asyncio.create_task(read) for read in reads]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(layer: Layer, division: KnownDivision, dataset: str, cut: Cut, deadline: Deadline, ask: Ask) -> _Parts:
    """Return what one dataset holds of a division."""
    prefix = prefix_of(division.code)
    pinned = {dataset: cut[dataset]} if dataset in cut else {}
    question = Query(
        layer.collection,
        Selection(filter=f"\"{layer.code}\" LIKE '{prefix}%'"),
        (layer.code, GEOMETRY),
        limit=_MOST_PARTS + 1,
        options=Options(cut=pinned, dataset=dataset, aside=True),
    )
    versions: Cut = {}
    tables: list[pa.RecordBatch] = []
    async with aclosing(ask(question, deadline.member_share())) as frames:  # type: ignore[type-var]
        async for frame in frames:
            if isinstance(frame, Header):
                versions = frame.cut
            elif isinstance(frame, Batch):
                tables.append(frame.rows)
    codes = [code for rows in tables for code in rows.column(0).to_pylist()]
    if len(codes) > _MOST_PARTS:
        raise TooLarge(what=f"{dataset} {division.code}", size=f"> {_MOST_PARTS}", limit=_MOST_PARTS)
    shapes = [shape for rows in tables for shape in shapely.from_wkb(rows.column(1).to_numpy(zero_copy_only=False))]
    return _Parts(tuple(map(_six_digits, codes)), tuple(shapes), versions if codes else {})


def _six_digits(code: str) -> str:
    """Return a code without what the survey adds below the county where that is zeros: 510100000000 is 510100."""
    return code[:6] if not code[6:].strip("0") else code


def _put_together(division: KnownDivision, parts: _Parts, alone: bool) -> Boundary | None:
    """Return the division's own feature, or the union of what lies below it, if that is the whole of it."""
    own = [shape for code, shape in zip(parts.codes, parts.shapes, strict=True) if code == division.code]
    chosen = [shape for shape in own or parts.shapes if shape is not None]
    if not chosen or not (own or alone):
        return None
    union = chosen[0] if len(chosen) == 1 else shapely.union_all(shapely.make_valid(np.array(chosen)))
    if not own and not _is_whole(union, division, parts.codes):
        return None
    wkb = bytes(shapely.to_wkb(shapely.force_2d(union), byte_order=1))
    return Boundary(division.code, division.name, wkb, dict(sorted(parts.cut.items())), len(chosen))


def _is_whole(union: shapely.Geometry, division: KnownDivision, codes: Iterable[str]) -> bool:
    """Tell whether a union reaches as far as the division, and has all of its counties, be it by another code."""
    if division.bounds is None:
        return False
    xmin, ymin, xmax, ymax = division.bounds
    west, south, east, north = shapely.bounds(union).tolist()
    x, y = (xmax - xmin) * _SLACK, (ymax - ymin) * _SLACK
    if west > xmin + x or south > ymin + y or east < xmax - x or north < ymax - y:
        return False
    known = {code[:6] for code in codes}
    missing = [bounds for code, bounds in division.counties.items() if code not in known]
    centres = [((west + east) / 2, (south + north) / 2) for west, south, east, north in missing]
    shapely.prepare(union)
    return not centres or bool(shapely.intersects_xy(union, *np.array(centres).T).all())


def told_by(frame: Frame, found: Boundary | None) -> Frame:
    """Return a frame; plans in it tell of the boundary within which features were asked for."""
    if found is None or not isinstance(frame, Header | Trailer) or frame.plan is None:
        return frame
    plan = told_plan(frame.plan, found)
    return replace(frame, plan=plan, cut=plan.cut) if isinstance(frame, Header) else replace(frame, plan=plan)


def told_plan(plan: Plan, found: Boundary) -> Plan:
    """Return a plan that tells of the boundary within which features are asked for."""
    source = ", ".join(f"{dataset}@{version}" for dataset, version in found.cut.items())
    phrase = f"within {found.code} {found.name} ({source})"
    return replace(plan, boundary=found.cut, pushed_down=(phrase, *plan.pushed_down))
