"""Large zones: cut up once, sent in part, asked in runs; whatever is done to them, the numbers stay the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
import shapely

from federation.planning.zoning import with_zones
from guotu.answering import Answer
from guotu.model import zones as module
from guotu.model.answer import Frame, Outcome
from guotu.model.digest import result_digest
from guotu.model.errors import InvalidQuestion, NodeUnavailable, TooLarge
from guotu.model.overlay import Overlayer
from guotu.model.plan import Decision, ExpectedDataset, PlanStep
from guotu.model.question import Overlay
from guotu.model.zones import decoded, zones_of
from guotu.overlays.runs import in_runs, joined_completeness
from tests.support.canned_node import ANSWERED, MISSING, answer_frames
from tests.support.federation_parts import CHENGDU, dataset
from tests.support.scripted_mesh import Mesh
from tests.support.scripted_peers import Member

CENTRE = shapely.Point(104.2, 30.6)
COAST = shapely.segmentize(CENTRE.buffer(0.3, quad_segs=64), 0.0003)
HOLED = shapely.segmentize(CENTRE.buffer(0.25).difference(CENTRE.buffer(0.02)), 0.0005)
SMALL = shapely.box(104.05, 30.55, 104.15, 30.65)
FAR = shapely.box(0, 0, 1, 1)
ZONES = zones_of(["coast", "small", "holed", "far"], np.array([COAST, SMALL, HOLED, FAR]))
LUCK = np.random.default_rng(4)
CORNERS = LUCK.random((300, 2)) * (0.6, 0.6) + (103.9, 30.3)
SHAPES = shapely.box(*CORNERS.T, *(CORNERS + 0.004).T)


def found(zones: module.Zones, shapes: np.ndarray) -> dict[tuple[str, int], int]:
    names = zones.names.to_pylist()
    return {
        (names[zone], feature): units
        for part in Overlayer(zones).common(shapes)
        for zone, feature, units in zip(part.zones.tolist(), part.features.tolist(), part.units.tolist(), strict=True)
    }


def test_pieces_are_the_same_however_often_they_are_cut_up() -> None:
    pieces = ZONES.pieces
    assert len(pieces) == 4
    assert not pieces.whole
    assert pieces.pieces == pieces
    assert shapely.get_num_coordinates(pieces.shapes).max() <= 512
    again = decoded(pieces.encoded(), pieces=True)
    assert again == pieces
    with pytest.raises(InvalidQuestion, match="named as no"):
        decoded(pieces.encoded())


@pytest.mark.parametrize("window", [(103.9, 30.3, 104.0, 30.5), (104.19, 30.59, 104.21, 30.61), (104.3, 30.6, 105, 31)])
def test_who_lies_in_a_window_needs_the_pieces_that_meet_it(window: tuple[float, float, float, float]) -> None:
    mine = SHAPES[shapely.covers(shapely.box(*window), SHAPES)]
    met = np.flatnonzero(shapely.intersects(ZONES.pieces.shapes, shapely.box(*window)))
    part = ZONES.part(met.tolist())
    assert found(part, mine) == found(ZONES, mine)
    assert "far" not in part.names.to_pylist()
    assert shapely.get_num_coordinates(part.shapes).sum() < shapely.get_num_coordinates(ZONES.shapes).sum() / 2
    relayed = decoded(part.encoded(), pieces=not part.whole)
    further = np.flatnonzero(shapely.intersects(relayed.pieces.shapes, shapely.box(*window)))
    assert found(relayed.part(further.tolist()), mine) == found(ZONES, mine)


def test_who_meets_all_of_a_zone_is_sent_it_as_it_is() -> None:
    everything = ZONES.part(range(len(ZONES.pieces.shapes)))
    assert everything == ZONES


def test_no_part_takes_more_bytes_than_the_whole() -> None:
    named = zones_of(["国" * 256], np.array([COAST]))
    count = len(named.pieces.shapes)
    parts = [named.part(range(some)) for some in range(1, count)]
    assert {part.whole for part in parts} == {True, False}
    assert max(len(part.encoded()) for part in parts) <= len(named.encoded())


def test_a_member_is_sent_the_pieces_that_meet_what_it_advertises() -> None:
    record = dataset("510100", box=(104.4, 30.5, 104.6, 30.7))
    expected = ExpectedDataset("510100/dltb", 1, 10, 1.0, True, "MAY_MATCH")
    step = PlanStep("510100", Decision.ASK, "MAY_MATCH", expected=(expected,))
    (asked,) = with_zones([step], ZONES, shapely.STRtree(ZONES.pieces.shapes), {"510100/dltb": record})
    assert asked.zones is not None
    assert 0 < len(asked.zones) < len(ZONES.pieces.shapes) / 4
    assert f"2 of 4 zones, {len(asked.zones)} of" in asked.detail


@pytest.mark.usefixtures("idle_time")
async def test_members_give_the_same_with_pieces() -> None:
    shapes = SHAPES[shapely.covers(shapely.box(*CHENGDU), SHAPES)]
    rows = [{"BSM": f"{place:06d}", "geometry": shapely.to_wkb(shape)} for place, shape in enumerate(shapes)]
    one = await Mesh(Member("510000", rows)).ask(Overlay("dltb", ZONES))
    two = await Mesh(Member("510000", rows[:20]), Member("510100", rows[20:])).ask(Overlay("dltb", ZONES))
    assert one.trailer.digest == two.trailer.digest
    whole = found(ZONES, shapes)
    assert {row["zone"]: row["area_m2"] for row in two.rows if row["count"]} == {
        name: Decimal(sum(units for (zone, _), units in whole.items() if zone == name)).scaleb(-4)
        for name in ("coast", "small", "holed")
    }


# ------------------------------------------------------------------------------------------------------------ runs


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ZONES", 2)


SQUARES = zones_of(list("abcde"), np.array([SMALL] * 5))


def test_zones_go_in_runs_that_fit(few: None) -> None:
    assert ["".join(run.names.to_pylist()) for run in SQUARES.runs()] == ["ab", "cd", "e"]
    assert list(SQUARES.take([0, 1]).runs()) == [SQUARES.take([0, 1])]


def test_runs_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    one = len(zones_of(["a"], np.array([COAST])).encoded())
    monkeypatch.setattr(module, "MAX_ZONE_BYTES", one * 3)
    coasts = zones_of(list("abcde"), np.array([COAST] * 5))
    runs = list(coasts.runs())
    assert [name for run in runs for name in run.names.to_pylist()] == list("abcde")
    assert len(runs) == 3
    assert all(len(run.encoded()) <= one * 3 for run in runs)
    monkeypatch.setattr(module, "MAX_ZONE_BYTES", one // 2)
    with pytest.raises(TooLarge, match="zones"):
        next(coasts.runs()).encoded()


class Asked:
    """Answers each run with one row; fails at the one it is told to."""

    def __init__(self, fails_at: int = 9) -> None:
        self.questions: list[Overlay] = []
        self._fails_at = fails_at

    def __call__(self, question: Overlay) -> Iterator[Frame]:
        self.questions.append(question)
        names = question.zones.names
        if len(self.questions) == self._fails_at:
            raise NodeUnavailable(address="a:1", detail="gone")
        batch = pa.record_batch([names], names=["zone"])
        yield from answer_frames([batch], batch.schema)


def test_runs_are_one_answer_at_one_cut(few: None) -> None:
    asked = Asked()
    answer = Answer(in_runs(Overlay("landcover", SQUARES), asked, list))
    assert answer.table()["zone"].to_pylist() == list("abcde")
    assert [dict(question.options.cut) for question in asked.questions] == [{}, *[{"510100/landcover": 3}] * 2]
    assert answer.trailer.rows == 5
    assert [segment.rows for segment in answer.trailer.segments] == [2, 2, 1]
    assert answer.completeness.complete
    assert answer.digest == result_digest(answer.trailer.segments)


def test_a_run_that_fails_ends_the_answer_after_what_is_told_of_the_others(few: None) -> None:
    answer = Answer(in_runs(Overlay("landcover", SQUARES), Asked(fails_at=3), list))
    with pytest.raises(NodeUnavailable):
        answer.table()
    assert answer.trailer.rows == 4


def test_a_member_is_whole_if_it_is_in_every_run() -> None:
    frames = list(answer_frames([], pa.schema([])))
    told = frames[-1].completeness  # type: ignore[union-attr]
    pruned = replace(told, members=(replace(ANSWERED, outcome=Outcome.PRUNED, rows=0),))
    lost = replace(told, members=(replace(MISSING, dataset=ANSWERED.dataset),))
    (member,) = joined_completeness([pruned, told, told]).members
    assert (member.outcome, member.rows) == (Outcome.ANSWERED, 8)
    assert joined_completeness([pruned, pruned]).members[0].outcome is Outcome.PRUNED
    assert not joined_completeness([told, lost, told]).complete
