"""A cut that is whole: exactly what it names has a part in the answer, and all that it lacks is told at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
import shapely

from federation.execution.retained import sentence
from federation.planning.planner import Planner
from guotu.model import errors
from guotu.model.answer import Outcome
from guotu.model.plan import Decision, Plan
from guotu.model.question import Nearest, Options, Query, Scope
from guotu.model.records import ReplicaRecord
from tests.support.federation_parts import PARCELS, FixedDirectory, dataset, view
from tests.support.scripted_mesh import ANY_QUESTION, PARTIAL, Make, Mesh, rows_of, three
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")

NODES = ("100000", "500000", "510000", "510000-ch", "510100")
DATASETS = [
    dataset(name, version)
    for name, version in (("100000", 2), ("500000", 7), ("510000", 3), ("510000-ch", 4), ("510100", 5))
]
OLD = {"510000/dltb": 2, "510100/dltb": 5}


def plan_at(node: str, cut: dict[str, int], replicas: tuple[ReplicaRecord, ...] = (), **given: str) -> Plan:
    own = {record.collection: record for record in DATASETS if record.node == node}
    planner = Planner(node, FixedDirectory(view(NODES, DATASETS, replicas=replicas)), lambda: own)
    return planner.plan(Query("dltb", options=Options(cut=cut, closed=True, **given)), PARCELS)[0]


def gone(version: int, name: str, kept: str) -> errors.UnknownVersion:
    return errors.UnknownVersion(dataset=f"{name}/dltb", version=version, retained=kept)


def test_what_the_cut_does_not_name_has_no_part() -> None:
    plan = plan_at("100000", OLD)
    assert [(step.node, dict(step.versions)) for step in plan.steps] == [("510000", OLD)]
    assert plan.cut == OLD
    assert plan_at("510000", {"510100/dltb": 5}).cut == {"510100/dltb": 5}


@pytest.mark.parametrize("cut", [{}, {"510100/rk": 1}, {"500000/dltb": 7, "510000/dltb": 3}])
def test_a_cut_of_nothing_here_is_refused_rather_than_answered_with_no_rows(cut: dict[str, int]) -> None:
    with pytest.raises(errors.InvalidQuestion, match="cut"):
        plan_at("510100", cut)


def test_a_cut_of_the_heads_is_planned_as_without_one() -> None:
    heads = {record.dataset: record.version for record in DATASETS}
    planner = Planner("100000", FixedDirectory(view(NODES, DATASETS)), lambda: {"dltb": DATASETS[0]})
    open_plan, _ = planner.plan(Query("dltb"), PARCELS)
    closed_plan, _ = planner.plan(Query("dltb", options=Options(cut=heads, closed=True)), PARCELS)
    assert closed_plan.steps == open_plan.steps
    assert [list(step.versions) for step in open_plan.steps][-1] == [
        "510000/dltb", "510000-ch/dltb", "510100/dltb",
    ]  # fmt: skip


def test_what_is_advertised_no_longer_is_expected_all_the_same() -> None:
    cut = {"510000/dltb": 3, "510000-gt/dltb": 1, "520000/dltb": 6, "530000/dltb": 1}
    holder = ReplicaRecord("520000/dltb", "500000", 6)
    plan = plan_at("100000", cut, (holder,))
    steps = {step.node: step for step in plan.steps}
    assert plan.cut == cut
    assert list(steps) == ["510000", "520000", "530000"]
    assert list(steps["510000"].versions) == ["510000/dltb", "510000-gt/dltb"]
    assert (steps["520000"].decision, steps["520000"].covered) == (Decision.MISSING, True)
    assert (steps["530000"].decision, steps["530000"].standbys) == (Decision.MISSING, ())


def test_the_nearest_features_of_a_cut_are_not_left_out_for_nearer_ones_of_other_datasets() -> None:
    """As when an answer is repeated after somebody nearer has begun to publish."""
    records = [dataset("510100", rows=5), dataset("520000", rows=5, box=(106.0, 26.0, 107.0, 27.0))]
    planner = Planner("100000", FixedDirectory(view(["100000", "510100", "520000"], records)), dict)
    near = Nearest(bytes(shapely.to_wkb(shapely.Point(104.1, 30.6))))

    def kept(cut: dict[str, int]) -> list[str]:
        asked = Query("dltb", limit=5, nearest=near, options=Options(cut=cut, closed=bool(cut)))
        plan, _ = planner.plan(asked, PARCELS)
        return [item.dataset for step in plan.steps for item in step.expected if item.keep]

    assert kept({}) == ["510100/dltb"]
    assert kept({"520000/dltb": 1}) == ["520000/dltb"]
    assert kept({"510100/dltb": 1, "520000/dltb": 1}) == ["510100/dltb"]


def test_the_own_dataset_that_is_here_no_longer_is_missing() -> None:
    planner = Planner("520000", FixedDirectory(view([*NODES, "520000"], DATASETS)), dict)
    asked = Options(Scope.SELF, cut={"520000/dltb": 6}, closed=True)
    plan, _ = planner.plan(Query("dltb", options=asked), PARCELS)
    assert [(step.decision, step.reason) for step in plan.steps] == [(Decision.MISSING, "NOT_HELD")]


def test_one_dataset_that_the_cut_does_not_name_is_refused() -> None:
    assert plan_at("510000", OLD, dataset="510100/dltb").cut == {"510100/dltb": 5}
    with pytest.raises(errors.InvalidQuestion, match="cut"):
        plan_at("510000", OLD, dataset="500000/dltb")


@ANY_QUESTION
async def test_members_are_asked_for_what_is_in_the_plan_and_nothing_else(make: Make) -> None:
    members = three()
    await Mesh(*members, node="100000").ask(make(Options(receipt=True)))
    for member in members:
        for question in member.asked:
            assert question.options.closed
            assert not question.options.receipt
            assert member.dataset in question.options.cut


@ANY_QUESTION
async def test_all_versions_that_are_gone_are_told_at_once(make: Make) -> None:
    cut = {"510000/dltb": 2, "510100/dltb": 1, "510200/dltb": 1}
    own, _, last = three()
    first = Member("510100", parcels("510100", 3), version=4, failure=gone(1, "510100", " [3–4]"))
    last = replace(last, failure=gone(1, "510200", " [2, 4]"))
    heard = await Mesh(own, first, last).ask(make(Options(cut=cut, closed=True)))
    assert isinstance(heard.failure, errors.VersionGone)
    assert heard.failure.facts == {"gone": "510100/dltb@1 [3–4]; 510200/dltb@1 [2, 4]"}
    assert heard.failure.completeness is not None
    assert "guotu pin" in heard.failure.message


async def test_a_partial_answer_names_what_is_gone_and_gives_the_rest() -> None:
    own, _, last = three()
    first = Member("510100", parcels("510100", 3), failure=gone(1, "510100", " [3–4]"))
    cut = {"510000/dltb": 2, "510100/dltb": 1, "510200/dltb": 4}
    heard = await Mesh(own, first, last).ask(rows_of(replace(PARTIAL, cut=cut, closed=True)))
    assert heard.failure is None
    assert len(heard.rows) == 70
    told = heard.outcomes["510100"]
    assert (told.outcome, told.reason) == (Outcome.FAILED, "UNKNOWN_VERSION")
    assert "[3–4]" in told.detail


async def test_the_own_store_tells_which_versions_it_retains() -> None:
    own = Member("510000", [], version=5, failure=gone(9, "510000", ""))
    heard = await Mesh(own).ask(rows_of(replace(PARTIAL, cut={"510000/dltb": 9}, closed=True)))
    assert isinstance(heard.failure, errors.NobodyAnswered)
    assert heard.outcomes["510000"].detail.endswith("version 9 [5].")


def test_many_that_are_gone_are_counted() -> None:
    assert sentence(["a@1"] * 42).endswith("a@1; … +2")
