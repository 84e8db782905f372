"""Boundaries of divisions: whose feature is taken, what is put together, and what is said where it cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import pyarrow as pa
import pytest
import shapely

from federation.boundaries import Boundaries
from guotu.model.answer import Batch, Completeness, Frame, Header
from guotu.model.boundary import Boundary
from guotu.model.errors import BoundaryMissing, IncompleteAnswer, InvalidQuestion, UnknownBoundary
from guotu.model.plan import Plan
from guotu.model.question import CompletenessMode, Query, Scope
from registry.gazetteer import Gazetteer
from tests.support.federation_parts import FixedDirectory, dataset, view

GAZETTEER = Gazetteer.load()
Features = Sequence[tuple[str, shapely.Geometry]]


def whole(code: str) -> shapely.Geometry:
    entry = GAZETTEER.get(code)
    assert entry is not None
    return shapely.box(*entry.bounds)


def halves(code: str) -> list[shapely.Geometry]:
    xmin, ymin, xmax, ymax = whole(code).bounds
    middle = (xmin + xmax) / 2
    return [shapely.box(xmin, ymin, middle, ymax), shapely.box(middle, ymin, xmax, ymax)]


class Holders:
    """Who holds which features of divisions, at version 3 unless another is asked for."""

    def __init__(self, held: Mapping[str, Features]) -> None:
        self.held = held
        self.asked: list[str] = []
        records = [dataset(name.split("/")[0], 3, collection=name.split("/")[1]) for name in held]
        self.boundaries = Boundaries(FixedDirectory(view([], records)), GAZETTEER.find)

    async def ask(self, question: Query, timeout: float) -> AsyncIterator[Frame]:
        name = question.options.dataset
        self.asked.append(name)
        version = question.options.cut.get(name, 3)
        prefix = question.selection.filter.partition("'")[2].rstrip("%'")
        found = [(code, shapely.to_wkb(shape)) for code, shape in self.held[name] if code.startswith(prefix)]
        rows = pa.record_batch([list(column) for column in zip(*found, strict=True)] or [[], []], ["code", "geometry"])
        plan = Plan("510000", question.collection, Scope.SELF, ())
        yield Header("r", "510000", plan, {name: version}, rows.schema)
        yield Batch(name, rows)

    async def resolve(self, wanted: str, cut: Mapping[str, int] | None = None, closed: bool = False) -> Boundary:
        return await self.boundaries.resolve(wanted, cut or {}, 10, self.ask, closed)


async def test_the_divisions_own_feature_is_taken_from_its_owner() -> None:
    holders = Holders(
        {"510100/xzq": [("510100000000", whole("510100"))], "100000/xzq": [("510100", shapely.box(0, 0, 1, 1))]}
    )
    for wanted in ("510100", "成都市", "四川省成都市"):
        found = await holders.resolve(wanted)
        assert shapely.equals(shapely.from_wkb(found.wkb), whole("510100"))
        assert (found.code, found.name, found.cut) == ("510100", "四川省成都市", {"510100/xzq": 3})
    assert set(holders.asked) == {"510100/xzq"}


async def test_else_the_nearest_above_is_asked() -> None:
    holders = Holders(
        {"510000/xzq": [("510104", whole("510104"))], "100000/xzq": [("510104", shapely.box(0, 0, 1, 1))]}
    )
    assert (await holders.resolve("成都市锦江区")).cut == {"510000/xzq": 3}
    assert holders.asked == ["510000/xzq"]


async def test_what_lies_below_is_put_together_wherever_it_is() -> None:
    west, east = halves("510100")
    holders = Holders({"510104/county": [("510104", west)], "510000/county": [("510105", east), ("510700", east)]})
    found = await holders.resolve("510100")
    assert shapely.from_wkb(found.wkb).area == pytest.approx(whole("510100").area)
    assert (found.parts, found.cut) == (2, {"510000/county": 3, "510104/county": 3})


async def test_of_a_feature_that_two_have_the_nearer_owners_is_taken() -> None:
    west, east = halves("510100")
    holders = Holders(
        {
            "510000/county": [("510104", shapely.box(90, 20, 91, 21)), ("510105", east)],
            "510100/county": [("510104", west)],
        }
    )
    assert shapely.from_wkb((await holders.resolve("510100")).wkb).bounds == pytest.approx(whole("510100").bounds)


async def test_a_part_is_not_the_whole() -> None:
    holders = Holders({"510000/county": [("510104", halves("510100")[0])]})
    with pytest.raises(UnknownBoundary, match="1 个 parts of county"):
        await holders.resolve("510100")


async def test_a_county_that_is_missing_inside_is_missed() -> None:
    counties = GAZETTEER.find("510100")[0].counties
    tiles = {code: shapely.box(*bounds) for code, bounds in counties.items()}
    assert (await Holders({"510100/county": list(tiles.items())}).resolve("510100")).parts == len(tiles)
    hole = tiles.pop("510104")
    rest = [(code, shape.difference(hole)) for code, shape in tiles.items()]
    with pytest.raises(UnknownBoundary, match="parts of county"):
        await Holders({"510100/county": rest}).resolve("510100")
    elsewhere = Holders({"510100/county": rest, "510104/county": [("510104", hole)]})
    assert (await elsewhere.resolve("510100")).cut == {"510100/county": 3, "510104/county": 3}
    recoded = Holders({"510100/county": [*rest, ("510199", hole)]})
    assert (await recoded.resolve("510100")).parts == len(rest) + 1


async def test_whoever_owns_the_division_is_asked_before_those_below() -> None:
    holders = Holders(
        {"510100/xzq": [("510100", whole("510100"))], "510104/xzq": [("510104001", shapely.box(0, 0, 1, 1))]}
    )
    assert (await holders.resolve("510100")).parts == 1
    assert holders.asked == ["510100/xzq"]


async def test_versions_that_are_given_are_asked_for() -> None:
    holders = Holders({"510100/xzq": [("510100", whole("510100"))]})
    assert (await holders.resolve("510100", {"510100/xzq": 2, "510000/dltb": 7})).cut == {"510100/xzq": 2}


async def test_nobody_has_published_it() -> None:
    with pytest.raises(UnknownBoundary, match="nobody has published it"):
        await Holders({}).resolve("510100")


async def test_a_name_of_several_divisions_lists_them() -> None:
    with pytest.raises(InvalidQuestion, match="鼓楼区") as raised:
        await Holders({}).resolve("鼓楼区")
    for listed in ("320106 江苏省南京市鼓楼区", "350102 福建省福州市鼓楼区"):
        assert listed in str(raised.value.chinese)
    with pytest.raises(UnknownBoundary, match="320106"):
        await Holders({}).resolve("南京市鼓楼区")


async def test_a_name_that_nobody_has() -> None:
    with pytest.raises(InvalidQuestion, match="no such division"):
        await Holders({}).resolve("不存在县")


async def test_a_closed_cut_is_all_that_is_read() -> None:
    """Somebody who holds it since would otherwise be asked first, and the answer could not be repeated."""
    holders = Holders({"510000/county": [("510100", whole("510100"))], "510100/county": [("510100", whole("510104"))]})
    found = await holders.resolve("510100", {"510000/county": 2}, closed=True)
    assert (found.cut, holders.asked) == ({"510000/county": 2}, ["510000/county"])
    assert shapely.from_wkb(found.wkb).equals(whole("510100"))
    with pytest.raises(UnknownBoundary):
        await holders.resolve("510100", {"510000/landcover": 2}, closed=True)


async def test_where_one_holder_does_not_answer_no_other_is_kept_at_work() -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def ask(question: Query, timeout: float) -> AsyncIterator[Frame]:
        if question.options.dataset == "510100/xzq":
            await begun.wait()
            failure = IncompleteAnswer(missing="510100/xzq UNREACHABLE")
            failure.completeness = Completeness(CompletenessMode.REQUIRE_ALL, ())
            raise failure
        try:
            begun.set()
            await asyncio.Event().wait()
            yield Batch("", pa.record_batch([], []))
        finally:
            stopped.set()

    holders = Holders({"510100/xzq": [], "510100-ch/xzq": []})
    with pytest.raises(BoundaryMissing) as raised:
        await holders.boundaries.resolve("510100", {}, 10, ask)
    assert stopped.is_set()
    assert raised.value.facts == {"division": "510100 四川省成都市", "missing": "510100/xzq UNREACHABLE"}
    assert raised.value.completeness is not None
    assert "--partial 于此无用" in raised.value.message
    assert "have the node that is asked subscribe to that layer" in raised.value.message
