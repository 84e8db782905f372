"""Who is named as a standby: whole replicas at the pinned version, of the owner's own history, at live nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.planning.planner import Planner
from guotu.model.plan import PlanStep
from guotu.model.question import Options, Query
from guotu.model.records import DatasetRecord, ReplicaRecord
from tests.support.federation_parts import PARCELS, FixedDirectory, dataset, view

CITY = "510100/dltb"
OWNED = [dataset("510000", version=2), dataset("510100", version=4)]
DIGEST = OWNED[1].digest
GOOD = ReplicaRecord(CITY, "520000", 4, digest=DIGEST)
AT_HEAD: dict[str, int] = {}


def city_step(
    *held: ReplicaRecord,
    own: DatasetRecord | None = None,
    cut: dict[str, int] = AT_HEAD,
    gone: tuple[str, ...] = (),
) -> PlanStep:
    nodes = [name for name in ("510000", "510100", "520000", "500000", "530000", "540000") if name not in gone]
    copies = {} if own is None else {own.dataset: own}
    province = {OWNED[0].collection: OWNED[0]}
    planner = Planner("510000", FixedDirectory(view(nodes, OWNED, replicas=held)), lambda: province, lambda: copies)
    plan, _ = planner.plan(Query("dltb", options=Options(cut=cut)), PARCELS)
    return next(step for step in plan.steps if step.node == "510100")


def names(step: PlanStep) -> list[str]:
    return [standby.node for standby in step.standbys]


def test_a_holder_at_the_pinned_version_is_named_with_its_address() -> None:
    (standby,) = city_step(GOOD).standbys
    assert (standby.dataset, standby.node, standby.address) == (CITY, "520000", "520000:1")
    assert city_step(GOOD).covered
    assert not city_step().covered


@pytest.mark.parametrize(
    "held",
    [
        replace(GOOD, version=3),
        replace(GOOD, version=0),
        replace(GOOD, whole=False),
        replace(GOOD, digest="ff" * 32),
        replace(GOOD, node="510100"),
        replace(GOOD, node="650000"),
    ],
    ids=["behind", "empty", "of an area", "another history", "the owner itself", "not registered"],
)
def test_others_are_not(held: ReplicaRecord) -> None:
    assert names(city_step(held)) == []


def test_an_older_version_may_be_asked_of_whoever_is_further() -> None:
    assert names(city_step(GOOD, cut={CITY: 2})) == ["520000"]
    assert names(city_step(replace(GOOD, version=3, digest="ff" * 32), cut={CITY: 2})) == ["520000"]


def test_the_node_itself_comes_first_then_others_by_id_three_at_most() -> None:
    held = [replace(GOOD, node=node) for node in ("540000", "530000", "520000", "500000")]
    assert names(city_step(*held)) == ["500000", "520000", "530000"]
    own = city_step(*held, own=dataset("510100", version=4))
    assert names(own) == ["510000", "500000", "520000"]
    assert own.standbys[0].address == ""
    strange = replace(dataset("510100", version=4), digest="ff" * 32)
    assert names(city_step(*held, own=strange)) == ["500000", "520000", "530000"]


def test_a_member_that_is_not_registered_has_standbys_too() -> None:
    step = city_step(GOOD, gone=("510100",))
    assert (step.decision, names(step)) == ("MISSING", ["520000"])


def test_what_is_kept_of_a_plan_follows_the_directory() -> None:
    nodes = ["510000", "510100", "520000"]
    directory = FixedDirectory(view(nodes, OWNED, replicas=[GOOD]))
    own = {OWNED[0].collection: OWNED[0]}
    copies: dict[str, DatasetRecord] = {}
    planner = Planner("510000", directory, lambda: own, lambda: copies)

    def planned() -> list[str]:
        plan, _ = planner.plan(Query("dltb"), PARCELS)
        return names(next(step for step in plan.steps if step.node == "510100"))

    assert planned() == planned() == ["520000"]
    copies = {CITY: dataset("510100", version=4)}
    assert planned() == ["510000", "520000"]
    directory.present = view(nodes, OWNED)
    assert planned() == ["510000"]
    directory.present = view(nodes[:2], OWNED, replicas=[GOOD])
    copies = {}
    assert planned() == []
    directory.present = view(nodes, [OWNED[0], dataset("510100", version=5)], replicas=[GOOD])
    assert planned() == []
