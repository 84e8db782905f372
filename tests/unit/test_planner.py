"""Plans: who is asked for what, at which version, and who is not and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.planning.planner import Planner
from guotu.model.plan import Decision, Plan, PlanStep
from guotu.model.ports import DirectoryView
from guotu.model.question import (
    Aggregate,
    AggregateFunction,
    Options,
    Query,
    Question,
    Scope,
    Selection,
    SortKey,
    Stats,
)
from guotu.model.records import DatasetRecord, Extent
from tests.support.federation_parts import PARCELS, FixedDirectory, dataset, view

NODES = ("100000", "500000", "500101", "510000", "510000-ch", "510100", "510104")
FAR = (120.0, 40.0, 121.0, 41.0)
DATASETS = [
    dataset("100000", box=(75, 18, 135, 53)),
    dataset("500000", version=7, box=FAR),
    dataset("500101", box=FAR),
    dataset("510000", version=3),
    dataset("510000-ch"),
    dataset("510100", version=4, rows=500),
    dataset("510104", version=5),
]
WINDOW = Selection(bbox=Extent(104.1, 30.6, 104.11, 30.61))
HEADS = {record.dataset: record.version for record in DATASETS}


def plan_at(
    asked: str,
    question: Question | None = None,
    directory: DirectoryView | None = None,
    own: DatasetRecord | None = None,
) -> Plan:
    present = directory or view(NODES, DATASETS)
    held = own or present.datasets.get("dltb", {}).get(f"{asked}/dltb")
    planner = Planner(asked, FixedDirectory(present), lambda: {"dltb": held} if held else {})
    plan, _ = planner.plan(question or Query("dltb"), PARCELS)
    return plan


def steps_of(plan: Plan) -> dict[str, PlanStep]:
    assert len({step.node for step in plan.steps}) == len(plan.steps)
    return {step.node: step for step in plan.steps}


def without(*names: str) -> DirectoryView:
    return view([name for name in NODES if name not in names], DATASETS)


def test_the_nation_asks_provinces_and_its_own_store() -> None:
    plan = plan_at("100000")
    assert [(step.node, step.decision) for step in plan.steps] == [
        ("100000", Decision.LOCAL),
        ("500000", Decision.ASK),
        ("510000", Decision.ASK),
    ]
    sichuan = steps_of(plan)["510000"]
    assert [item.dataset for item in sichuan.expected] == [
        "510000/dltb",
        "510000-ch/dltb",
        "510100/dltb",
        "510104/dltb",
    ]
    assert sichuan.address == "510000:1"
    assert sichuan.scope is Scope.SUBTREE
    assert sichuan.advertised_rows == 800
    assert plan.cut == HEADS
    assert (plan.node, plan.collection, plan.scope) == ("100000", "dltb", Scope.SUBTREE)
    assert not plan.stale_registry
    assert plan.directory_as_of_ms == 1_700_000_000_000


def test_a_province_asks_cities_and_departments() -> None:
    steps = steps_of(plan_at("510000"))
    assert list(steps) == ["510000", "510000-ch", "510100"]
    assert steps["510000-ch"].scope is Scope.SELF
    assert [item.dataset for item in steps["510100"].expected] == ["510100/dltb", "510104/dltb"]


def test_a_municipality_asks_its_districts() -> None:
    assert list(steps_of(plan_at("500000"))) == ["500000", "500101"]


def test_scope_self_is_the_own_store_alone() -> None:
    plan = plan_at("510000", Query("dltb", options=Options(scope=Scope.SELF)))
    assert [(step.node, step.decision) for step in plan.steps] == [("510000", Decision.LOCAL)]


def test_a_department_answers_for_itself() -> None:
    assert list(steps_of(plan_at("510000-ch"))) == ["510000-ch"]


def test_a_node_without_the_collection_still_asks_below() -> None:
    directory = view(NODES, [record for record in DATASETS if record.node != "510000"])
    assert list(steps_of(plan_at("510000", directory=directory))) == ["510000-ch", "510100"]


def test_its_own_truth_comes_before_the_registry() -> None:
    newer = replace(dataset("510000", version=9), rows=12)
    (own,) = steps_of(plan_at("510000", own=newer))["510000"].expected
    assert (own.version, own.rows) == (9, 12)


def test_a_dataset_that_is_advertised_and_not_held_is_missing() -> None:
    planner = Planner("510000", FixedDirectory(view(NODES, DATASETS)), dict)
    step = steps_of(planner.plan(Query("dltb"), PARCELS)[0])["510000"]
    assert (step.decision, step.reason) == (Decision.MISSING, "NOT_HELD")
    far = planner.plan(Query("dltb", Selection(bbox=Extent(80, 40, 81, 41))), PARCELS)[0]
    assert steps_of(far)["510000"].decision is Decision.PRUNE


def test_a_dead_province_is_bypassed() -> None:
    steps = steps_of(plan_at("100000", directory=without("510000")))
    assert list(steps) == ["100000", "500000", "510000", "510000-ch", "510100"]
    assert (steps["510000"].decision, steps["510000"].reason) == (Decision.MISSING, "NOT_REGISTERED")
    assert [item.dataset for item in steps["510000"].expected] == ["510000/dltb"]
    assert steps["510100"].decision is Decision.ASK
    assert [item.dataset for item in steps["510100"].expected] == ["510100/dltb", "510104/dltb"]


def test_what_lies_behind_a_registered_parent_is_asked_through_it() -> None:
    """The parent may reach, or account for, a member that the registry has lost sight of."""
    steps = steps_of(plan_at("100000", directory=without("510104")))
    assert steps["510000"].decision is Decision.ASK
    assert "510104/dltb" in steps["510000"].cut
    assert steps_of(plan_at("510100", directory=without("510104")))["510104"].decision is Decision.MISSING


def test_a_lapsed_lease_of_its_own_changes_nothing_below() -> None:
    assert steps_of(plan_at("510000", directory=without("510000"))).keys() == {"510000", "510000-ch", "510100"}


def test_a_window_prunes_members_and_says_why() -> None:
    plan = plan_at("100000", Query("dltb", WINDOW))
    steps = steps_of(plan)
    assert (steps["500000"].decision, steps["500000"].reason) == (Decision.PRUNE, "OUTSIDE_WINDOW")
    assert steps["500000"].address == ""
    assert steps["510000"].decision is Decision.ASK


def test_a_pruned_and_missing_member_is_pruned() -> None:
    steps = steps_of(plan_at("100000", Query("dltb", WINDOW), without("500000", "500101")))
    assert steps["500000"].decision is Decision.PRUNE
    assert steps["500101"].decision is Decision.PRUNE


def test_different_reasons_are_joined() -> None:
    datasets = [dataset("500000", rows=0), dataset("500101", box=FAR)]
    plan = plan_at("100000", Query("dltb", WINDOW), view(NODES, datasets))
    assert steps_of(plan)["500000"].reason == "EMPTY+OUTSIDE_WINDOW"


def test_some_of_what_lies_behind_a_member_may_be_pruned() -> None:
    datasets = [dataset("510100"), dataset("510104", box=FAR)]
    step = steps_of(plan_at("510000", Query("dltb", WINDOW), view(NODES, datasets)))["510100"]
    assert [(item.dataset, item.keep, item.reason) for item in step.expected] == [
        ("510100/dltb", True, "MAY_MATCH"),
        ("510104/dltb", False, "OUTSIDE_WINDOW"),
    ]
    assert step.cut == {"510100/dltb": 1}
    assert step.versions == {"510100/dltb": 1, "510104/dltb": 1}


def test_the_cut_names_what_was_pruned_too() -> None:
    """Else the same question on the same cut would meet another version of what was pruned."""
    assert plan_at("100000", Query("dltb", WINDOW)).cut == HEADS


def test_a_cut_pins_versions() -> None:
    cut = {"510100/dltb": 2, "510000/dltb": 1, "100000/dltb": 1, "990000/dltb": 3, "510100/xzq": 9}
    plan = plan_at("100000", Query("dltb", options=Options(cut=cut)))
    assert plan.cut == HEADS | {"510100/dltb": 2, "510000/dltb": 1}
    assert plan_at("510000", Query("dltb", options=Options(cut=cut))).cut["510000/dltb"] == 1


@pytest.mark.parametrize("version", [1, 8])
def test_another_version_than_the_head_is_never_pruned_by_facts_of_the_head(version: int) -> None:
    cut = Options(cut={"500000/dltb": version})
    step = steps_of(plan_at("100000", Query("dltb", WINDOW, options=cut)))["500000"]
    assert step.decision is Decision.ASK
    assert step.cut == {"500000/dltb": version}
    emptied = view(NODES, [dataset("500000", version=7, rows=0)])
    assert steps_of(plan_at("100000", Query("dltb", options=cut), emptied))["500000"].decision is Decision.ASK
    own = steps_of(plan_at("500000", Query("dltb", WINDOW, options=cut)))["500000"]
    assert own.decision is Decision.LOCAL


def test_the_head_in_the_cut_is_pruned_as_without_one() -> None:
    steps = steps_of(plan_at("100000", Query("dltb", WINDOW, options=Options(cut=HEADS))))
    assert steps == steps_of(plan_at("100000", Query("dltb", WINDOW)))


@pytest.mark.parametrize("selection", [Selection(division="650000"), Selection(filter="FALSE")])
def test_what_holds_for_any_version_prunes_older_ones_too(selection: Selection) -> None:
    steps = steps_of(plan_at("100000", Query("dltb", selection, options=Options(cut={"500000/dltb": 1}))))
    assert steps["500000"].decision is Decision.PRUNE


def test_a_stale_directory_is_told() -> None:
    assert plan_at("100000", directory=view(NODES, DATASETS, stale=True)).stale_registry


def test_an_unknown_collection_has_no_steps() -> None:
    assert plan_at("100000", Query("xzq")).steps == ()


def test_the_directory_is_looked_at_anew_for_each_question() -> None:
    directory = FixedDirectory(view(NODES, DATASETS))
    planner = Planner("100000", directory, dict)
    question = Query("dltb", WINDOW)
    assert steps_of(planner.plan(question, PARCELS)[0])["510000"].decision is Decision.ASK
    gone = without("510000")
    directory.present = DirectoryView(gone.nodes, directory.present.datasets, {}, False, 1)
    assert steps_of(planner.plan(question, PARCELS)[0])["510100"].decision is Decision.ASK
    moved = [replace(dataset(item.node, item.version + 1, box=FAR)) for item in DATASETS]
    directory.present = DirectoryView(gone.nodes, view((), moved).datasets, {}, True, 2)
    plan = planner.plan(question, PARCELS)[0]
    assert {step.decision for step in plan.steps} == {Decision.PRUNE}
    assert plan.cut == {name: version + 1 for name, version in HEADS.items()}
    assert (plan.stale_registry, plan.directory_as_of_ms) == (True, 2)


def test_plans_of_many_collections_do_not_mix() -> None:
    names = [f"c{number}" for number in range(20)]
    directory = view(NODES, [dataset("510100", version=place, collection=name) for place, name in enumerate(names, 1)])
    planner = Planner("510000", FixedDirectory(directory), dict)
    for _ in range(2):
        for place, name in enumerate(names, 1):
            plan = planner.plan(Query(name), replace(PARCELS, id=name))[0]
            assert plan.cut == {f"510100/{name}": place}


def test_what_is_pushed_down_and_merged_is_told() -> None:
    query = Query("dltb", Selection("DLBM LIKE '01%'"), ("BSM",), (SortKey("TBMJ", descending=True),), limit=5)
    plan = plan_at("100000", query)
    assert plan.pushed_down == ("filter DLBM LIKE '01%'", "fields BSM", "sort TBMJ DESC", "limit 5")
    assert plan.merge == "merge sorted"
    assert plan_at("100000").merge == "concatenate in member order"
    assert plan_at("500101").merge == "pass through"
    stats = Stats("dltb", (Aggregate(AggregateFunction.SUM, "TBMJ", "s"), Aggregate(AggregateFunction.COUNT, "", "n")))
    plan = plan_at("100000", replace(stats, group_by=("DLBM",)))
    assert plan.pushed_down == ("group by DLBM", "partials sum(TBMJ), count(*)")
    assert plan.merge == "merge groups"
