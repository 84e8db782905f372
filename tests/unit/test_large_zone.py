"""A zone that is too large for a request: asked dataset by dataset, the answer is what one request would give."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely

from guotu.model import zones as module
from guotu.model.answer import Batch, Frame, Header, Outcome, Trailer
from guotu.model.attempt import Ending
from guotu.model.errors import DeadlineExceeded, IncompleteAnswer, InvalidQuestion, NobodyAnswered, TooLarge
from guotu.model.plan import Plan
from guotu.model.question import CompletenessMode, Options, Overlay
from guotu.model.records import DatasetRecord
from guotu.model.zones import decoded, zones_of
from guotu.overlays.large import LargeZone
from guotu.overlays.runs import in_runs
from tests.support.federation_parts import dataset
from tests.support.idle_time import IdleTime
from tests.support.scripted_mesh import LOST, Heard, Mesh
from tests.support.scripted_peers import Member

LUCK = np.random.default_rng(8)
CORNERS = LUCK.random((120, 2)) * (0.2, 0.3) + (104, 30.5)
SHAPES = shapely.box(*CORNERS.T, *(CORNERS + 0.01).T)
ROWS = [
    {"BSM": f"{number:06d}", "DLBM": f"010{number % 3}", "ZLDWDM": "510104", "geometry": shapely.to_wkb(shape)}
    for number, shape in enumerate(SHAPES)
]
WEST, EAST = (np.flatnonzero((CORNERS[:, 0] < 104.1) == west).tolist() for west in (True, False))
COAST = shapely.segmentize(shapely.Point(104.1, 30.65).buffer(0.1, quad_segs=64), 0.0001)
ZONES = zones_of(["大"], np.array([COAST]))
PARTIAL = Options(completeness=CompletenessMode.ALLOW_PARTIAL)


def rows(numbers: list[int]) -> list[dict[str, Any]]:
    return [ROWS[number] for number in numbers]


def record(owner: str, numbers: list[int], **more: Any) -> DatasetRecord:
    box = tuple(shapely.total_bounds(SHAPES[numbers]).tolist()) if numbers else None
    return dataset(owner, rows=len(numbers), box=box, **more)


RECORDS = [record("510000", WEST), record("510100", EAST), record("510200", [])]


def mesh(**second: Any) -> Mesh:
    return Mesh(Member("510000", rows(WEST)), Member("510100", rows(EAST), **second), Member("510200", []))


class Asker:
    """Asks a mesh, over the wire as it were, and keeps the questions."""

    def __init__(self, asked: Mesh, runner: asyncio.Runner) -> None:
        self.questions: list[Overlay] = []
        self._asked = asked
        self._runner = runner

    def __call__(self, question: Overlay) -> Iterator[Frame]:
        self.questions.append(question)
        zones = decoded(question.zones.encoded(), pieces=not question.zones.whole)
        heard = self.heard(replace(question, zones=zones))
        yield from heard.frames
        if heard.failure is not None:
            raise heard.failure

    def explain(self, question: Overlay) -> Plan:
        self.questions.append(question)
        return self._runner.run(self._asked.federation.explain(question, 20.0))

    def heard(self, question: Overlay) -> Heard:
        return self._runner.run(self._asked.ask(question))


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        IdleTime(made.get_loop(), monkeypatch)
        yield made


def told(frames: Iterator[Frame]) -> Heard:
    heard = Heard()
    try:
        for frame in frames:
            heard.frames.append(frame)
    except (IncompleteAnswer, NobodyAnswered) as failure:
        heard.failure = failure
    return heard


@pytest.mark.parametrize("group_by", [(), ("DLBM",), ("DLBM", "county")])
@pytest.mark.parametrize("shares", [True, False])
def test_the_answer_is_that_of_one_request(runner: asyncio.Runner, group_by: tuple[str, ...], shares: bool) -> None:
    asker, question = Asker(mesh(), runner), Overlay("dltb", ZONES, group_by, shares=shares)
    whole, large = asker.heard(question), told(LargeZone(question, RECORDS, asker).frames())
    assert large.rows == whole.rows
    assert sum(int(str(row["count"])) for row in whole.rows) > 40
    assert large.trailer.digest == whole.trailer.digest
    assert large.header.cut == whole.header.cut
    assert large.header.schema == whole.header.schema
    assert {name: item.outcome for name, item in large.outcomes.items()} == {
        name: item.outcome for name, item in whole.outcomes.items()
    }


def test_a_zone_that_nothing_meets_has_its_row(runner: asyncio.Runner) -> None:
    far = zones_of(["远"], np.array([shapely.segmentize(shapely.box(0, 0, 1, 1), 0.001)]))
    asker, question = Asker(mesh(), runner), Overlay("dltb", far)
    large = told(LargeZone(question, RECORDS, asker).frames())
    assert large.rows == asker.heard(question).rows
    assert [row["count"] for row in large.rows] == [0]
    assert {item.outcome for item in large.outcomes.values()} == {Outcome.PRUNED}


def test_each_dataset_is_asked_about_what_concerns_it_at_one_cut(runner: asyncio.Runner) -> None:
    asker = Asker(mesh(), runner)
    told(LargeZone(Overlay("dltb", ZONES), RECORDS, asker).frames())
    west, east, nothing = (len(question.zones.pieces.shapes) for question in asker.questions)
    assert max(west, east) < len(ZONES.pieces.shapes)
    assert nothing == 1
    assert [dict(item.options.cut) for item in asker.questions] == [{record.dataset: 1} for record in RECORDS]
    assert {item.options.dataset for item in asker.questions} == {record.dataset for record in RECORDS}


def test_where_it_is_not_known_where_features_lie_all_pieces_are_sent(runner: asyncio.Runner) -> None:
    asker = Asker(mesh(version=1), runner)
    newer = replace(RECORDS[1], version=2)
    question = Overlay("dltb", ZONES, options=Options(cut={"510100/dltb": 1}))
    large = told(LargeZone(question, [RECORDS[0], newer, RECORDS[2]], asker).frames())
    assert asker.questions[1].zones == ZONES
    assert large.rows == asker.heard(question).rows


def test_a_feature_that_two_hold_counts_once(runner: asyncio.Runner) -> None:
    twice = Mesh(Member("510000", rows(WEST + EAST[:20])), Member("510100", rows(EAST)))
    asker, question = Asker(twice, runner), Overlay("dltb", ZONES, ("DLBM",))
    records = [record("510000", WEST + EAST[:20]), RECORDS[1]]
    assert told(LargeZone(question, records, asker).frames()).rows == asker.heard(question).rows
    assert asker.heard(question).rows == Asker(mesh(), runner).heard(question).rows


def test_who_is_lost_is_told_and_left_out(runner: asyncio.Runner) -> None:
    asker = Asker(mesh(failure=LOST), runner)
    for options in (PARTIAL, Options()):
        question = Overlay("dltb", ZONES, ("DLBM",), options=options)
        whole, large = asker.heard(question), told(LargeZone(question, RECORDS, asker).frames())
        assert type(large.failure) is type(whole.failure)
        assert {name: (item.outcome, item.reason) for name, item in large.outcomes.items()} == {
            name: (item.outcome, item.reason) for name, item in whole.outcomes.items()
        }
        assert options is not PARTIAL or (large.rows == whole.rows and len(large.rows) == 3)


def test_a_dataset_that_takes_too_long_is_told(runner: asyncio.Runner) -> None:
    asker = Asker(mesh(), runner)

    def late(question: Overlay) -> Iterator[Frame]:
        if question.options.dataset == "510100/dltb":
            raise DeadlineExceeded(node="510000", seconds=1)
        yield from asker(question)

    large = told(LargeZone(Overlay("dltb", ZONES, options=PARTIAL), RECORDS, late).frames())
    assert large.outcomes["510100"].outcome is Outcome.TIMED_OUT
    assert large.outcomes["510000"].outcome is Outcome.ANSWERED
    assert large.failure is None
    assert large.rows


def test_the_plans_for_all_datasets_are_told_as_one(runner: asyncio.Runner) -> None:
    asked = mesh()
    asked.peers.plans["510100:1"] = LOST
    asker = Asker(asked, runner)
    plan = LargeZone(Overlay("dltb", ZONES), RECORDS, asker).plan(asker.explain)
    assert [step.node for step in plan.steps] == ["510000", "510100", "510200"]
    assert plan.merge == "add up groups, by dataset"
    assert plan.cut == {record.dataset: 1 for record in RECORDS}
    assert len(asker.questions) == len(RECORDS)


@pytest.mark.parametrize(("second", "answers"), [({}, 2), ({"failure": LOST}, 1)])
def test_what_happened_is_told_as_one(runner: asyncio.Runner, second: dict[str, Any], answers: int) -> None:
    options = replace(PARTIAL, analyze=True)
    question = Overlay("dltb", ZONES, options=options)
    heard = told(LargeZone(question, RECORDS, Asker(mesh(**second), runner)).frames())
    assert heard.trailer.plan is not None
    assert [step.node for step in heard.trailer.plan.steps] == ["510000", "510100", "510200"]
    ends = [attempt.ending for step in heard.trailer.plan.steps for attempt in step.attempts]
    assert ends.count(Ending.ANSWERED) == answers


def test_what_cannot_be_asked_is_refused_before_anybody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Overlay] = []

    def ask(question: Overlay) -> Iterator[Frame]:
        asked.append(question)
        yield from ()

    with pytest.raises(InvalidQuestion, match="nobody has a dataset"):
        LargeZone(Overlay("dltb", ZONES), [], ask)
    monkeypatch.setattr(module, "MAX_ZONE_BYTES", 10_000)
    with pytest.raises(TooLarge, match="zone '大', 510000/dltb is too large"):
        list(LargeZone(Overlay("dltb", ZONES), RECORDS, ask).frames())
    assert not asked


def test_it_is_one_run_among_others(runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    asker = Asker(mesh(), runner)
    small = shapely.box(104.1, 30.6, 104.2, 30.7)
    question = Overlay("dltb", zones_of(["small", "大", "again"], np.array([small, COAST, small])), ("DLBM",))
    whole = asker.heard(question)
    monkeypatch.setattr(module, "MAX_BYTES_OF_A_SHAPE", 50_000)
    monkeypatch.setattr(module, "MAX_ZONE_BYTES", 90_000)
    with pytest.raises(TooLarge):
        ZONES.encoded()
    frames = list(in_runs(question, asker, lambda: RECORDS))
    assert [row for frame in frames if isinstance(frame, Batch) for row in frame.rows.to_pylist()] == whole.rows
    assert [type(frame) for frame in frames].count(Header) == [type(frame) for frame in frames].count(Trailer) == 1
    assert isinstance(frames[0], Header)
    assert frames[0].cut == whole.header.cut
    assert [item.options.dataset for item in asker.questions] == ["", *(record.dataset for record in RECORDS), ""]
    last = frames[-1]
    assert isinstance(last, Trailer)
    assert last.completeness.complete
    assert len(last.segments) == 3
