"""Plans of questions for one dataset alone: here as owner or replica, else at its owner."""

from __future__ import annotations

import pytest

from federation.planning.planner import Planner
from guotu.model.errors import UnknownDataset
from guotu.model.plan import Decision, Plan, PlanStep
from guotu.model.question import Options, Query, Scope, Selection
from guotu.model.records import DatasetRecord, Extent
from tests.support.federation_parts import PARCELS, FixedDirectory, dataset, view

NODES = ("100000", "510000", "510100", "510104")
DATASETS = [dataset("100000"), dataset("510000", version=3), dataset("510100", version=4), dataset("510104", version=5)]
SICHUAN = "510000/dltb"
ANYTHING = Selection()
ELSEWHERE = Selection(bbox=Extent(80, 40, 81, 41))


def plan_at(
    asked: str,
    options: Options,
    replicas: tuple[DatasetRecord, ...] = (),
    selection: Selection = ANYTHING,
    nodes: tuple[str, ...] = NODES,
) -> Plan:
    present = view(nodes, DATASETS)
    own = {record.collection: record for record in DATASETS if record.node == asked}
    copies = {record.dataset: record for record in replicas}
    planner = Planner(asked, FixedDirectory(present), lambda: own, lambda: copies)
    return planner.plan(Query("dltb", selection, options=options), PARCELS)[0]


def step_at(asked: str, options: Options, *replicas: DatasetRecord, selection: Selection = ANYTHING) -> PlanStep:
    (step,) = plan_at(asked, options, replicas, selection).steps
    return step


def test_the_owner_answers_for_itself_alone() -> None:
    step = step_at("510000", Options(dataset=SICHUAN))
    assert (step.node, step.decision, step.cut) == ("510000", Decision.LOCAL, {SICHUAN: 3})
    assert step_at("510000", Options(dataset=SICHUAN, cut={SICHUAN: 1})).cut == {SICHUAN: 1}


def test_a_node_without_it_asks_the_owner_and_nobody_between() -> None:
    step = step_at("100000", Options(dataset="510104/dltb", cut={"510104/dltb": 2}))
    assert (step.node, step.decision, step.address, step.scope) == ("510104", Decision.ASK, "510104:1", Scope.SELF)
    assert step.cut == {"510104/dltb": 2}
    assert step_at("510104", Options(dataset=SICHUAN)).node == "510000"


def test_a_whole_replica_answers_at_its_own_head() -> None:
    step = step_at("100000", Options(dataset=SICHUAN), dataset("510000", version=2, rows=70))
    assert (step.node, step.decision, step.cut, step.advertised_rows) == ("100000", Decision.LOCAL, {SICHUAN: 2}, 70)
    assert "replica" in step.detail


@pytest.mark.parametrize(("version", "node"), [(1, "100000"), (2, "100000"), (3, "510000"), (9, "510000")])
def test_a_replica_answers_for_no_version_beyond_its_head(version: int, node: str) -> None:
    options = Options(dataset=SICHUAN, cut={SICHUAN: version})
    step = step_at("100000", options, dataset("510000", version=2))
    assert (step.node, step.cut) == (node, {SICHUAN: version})


def test_replicas_take_no_part_in_questions_for_all_datasets() -> None:
    plan = plan_at("100000", Options(), (dataset("510000", version=3),))
    assert [(step.node, step.decision) for step in plan.steps] == [
        ("100000", Decision.LOCAL),
        ("510000", Decision.ASK),
    ]


def test_scope_self_stays_at_the_node() -> None:
    options = Options(Scope.SELF, dataset=SICHUAN)
    assert step_at("510000", options).decision is Decision.LOCAL
    assert step_at("100000", options, dataset("510000", version=2)).decision is Decision.LOCAL
    with pytest.raises(UnknownDataset):
        plan_at("100000", options)


@pytest.mark.parametrize("name", ["520000/dltb", "510000-ch/dltb"])
def test_a_dataset_that_nobody_has_is_unknown(name: str) -> None:
    for asked in ("100000", name.split("/")[0]):
        with pytest.raises(UnknownDataset) as caught:
            plan_at(asked, Options(dataset=name))
        assert caught.value.facts == {"dataset": name}


def test_an_owner_that_is_away_is_missing_and_its_replica_is_not() -> None:
    left = tuple(name for name in NODES if name != "510000")
    (step,) = plan_at("100000", Options(dataset=SICHUAN), nodes=left).steps
    assert (step.node, step.decision, step.reason) == ("510000", Decision.MISSING, "NOT_REGISTERED")
    (step,) = plan_at("100000", Options(dataset=SICHUAN), (dataset("510000", version=3),), nodes=left).steps
    assert step.decision is Decision.LOCAL


def test_what_lies_elsewhere_is_pruned_wherever_it_is_held() -> None:
    for asked, replicas in (("510000", ()), ("100000", ()), ("100000", (dataset("510000", version=3),))):
        step = step_at(asked, Options(dataset=SICHUAN), *replicas, selection=ELSEWHERE)
        assert (step.decision, step.reason, step.versions) == (Decision.PRUNE, "OUTSIDE_WINDOW", {SICHUAN: 3})
