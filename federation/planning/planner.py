"""The planner: a question and a directory in, a printable plan out. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import shapely

from federation.planning.arrangement import Arrangement, expect
from federation.planning.phrases import merge_phrase, pushed_down
from federation.planning.prune import MAY_MATCH, Prunable, decide, decide_all
from federation.planning.reach import reach_of
from federation.planning.standbys import Standbys
from federation.planning.topology import Topology
from federation.planning.zoning import with_zones
from federation.selection import BoundSelection, bind_selection, near
from guotu.model.collection import Collection
from guotu.model.division import dataset_id, split_dataset
from guotu.model.errors import UnknownDataset
from guotu.model.plan import Decision, ExpectedDataset, Plan, PlanStep
from guotu.model.ports import Directory, DirectoryView
from guotu.model.question import Cut, Options, Overlay, Query, Question, Scope
from guotu.model.records import DatasetRecord

Holdings = Callable[[], Mapping[str, DatasetRecord]]
"""The node's own datasets by collection id: its own truth, ahead of the registry."""
Replicas = Callable[[], Mapping[str, DatasetRecord]]
"""The node's whole replicas by dataset id, each at the version held here."""
_NO_DATASETS: Mapping[str, DatasetRecord] = {}
_KEPT_ARRANGEMENTS = 8
"""Collections whose arrangement is kept; one of 3,200 datasets takes some megabytes."""


class Planner:
    """Plans questions for one node."""

    def __init__(self, node: str, directory: Directory, holdings: Holdings, replicas: Replicas = dict) -> None:
        self._node = node
        self._directory = directory
        self._holdings = holdings
        self._replicas = replicas
        self._standbys = Standbys(node)
        self._topology = Topology({})
        self._arrangements: dict[str, Arrangement] = {}

    def plan(self, question: Question, collection: Collection) -> tuple[Plan, BoundSelection]:
        """Return the plan and the bound selection.

        Raises:
            InvalidFilter, InvalidQuestion, UnknownField, TooLarge: the selection is not valid.
            UnknownDataset: the one dataset asked is not known.
        """
        started = time.perf_counter()
        selection = bind_selection(question.selection, collection)
        view = self._directory.view()
        heads = view.datasets.get(collection.id, _NO_DATASETS)
        reach = None
        if isinstance(question, Query) and question.nearest is not None:
            selection, reach = near(selection, question.nearest), reach_of(question, selection, heads)
        zones = shapely.STRtree(question.zones.shapes) if isinstance(question, Overlay) else None
        steps = self._steps(question, view, Prunable.of(selection, zones, reach))
        if zones is not None:
            steps = with_zones(steps, zones, heads)
        plan = Plan(
            node=self._node,
            collection=collection.id,
            scope=question.options.scope,
            steps=steps,
            pushed_down=pushed_down(question, selection),
            merge=merge_phrase(question, steps),
            stale_registry=view.stale,
            directory_as_of_ms=view.as_of_ms,
            planning_ms=(time.perf_counter() - started) * 1000,
        )
        return plan, selection

    def advertised(self, collection: str) -> dict[tuple[str, int], DatasetRecord]:
        """Return what is known of the datasets of a collection, by id and version."""
        own = self._holdings().get(collection)
        replicas = (record for record in self._replicas().values() if record.collection == collection)
        heads = self._directory.view().datasets.get(collection, _NO_DATASETS).values()
        records = (*replicas, *heads, *([own] if own is not None else ()))
        return {(record.dataset, record.version): record for record in records}

    def _steps(self, question: Question, view: DirectoryView, prunable: Prunable) -> tuple[PlanStep, ...]:
        cut = question.options.cut
        if question.options.dataset:
            return (self._one_step(question.options, view, prunable),)
        steps = self._own_steps(question.collection, view, prunable, cut)
        if question.options.scope is Scope.SUBTREE:
            arrangement = self._arrangement(question.collection, view)
            members = arrangement.members(decide_all(prunable, arrangement.candidates), cut)
            steps.extend(self._member_step(child, expected, view) for child, expected in members.items())
        return tuple(steps)

    def _one_step(self, options: Options, view: DirectoryView, prunable: Prunable) -> PlanStep:
        """Return the step of the one dataset asked: taken here if it is held here, else asked of its owner."""
        dataset = options.dataset
        owner, collection = split_dataset(dataset)
        if owner == self._node:
            own = self._own_steps(collection, view, prunable, options.cut)
            if not own:
                raise UnknownDataset(dataset=dataset)
            return own[0]
        replica = self._replicas().get(dataset)
        if replica is not None and options.cut.get(dataset, 0) <= replica.version:
            return self._here(_expect(prunable, replica, options.cut), f"replica of {dataset} held here")
        record = view.datasets.get(collection, _NO_DATASETS).get(dataset)
        if record is None or options.scope is Scope.SELF:
            raise UnknownDataset(dataset=dataset)
        return self._member_step(owner, (_expect(prunable, record, options.cut),), view)

    def _here(self, expected: ExpectedDataset, detail: str = "") -> PlanStep:
        decision = Decision.LOCAL if expected.keep else Decision.PRUNE
        return PlanStep(self._node, decision, expected.reason, detail, expected=(expected,))

    def _own_steps(self, collection: str, view: DirectoryView, prunable: Prunable, cut: Cut) -> list[PlanStep]:
        """Return the step of the node's own dataset; none if it has, and is known to have, none."""
        own = self._holdings().get(collection)
        if own is None:
            lost = view.datasets.get(collection, {}).get(dataset_id(self._node, collection))
            return [] if lost is None else [self._lost_step(_expect(prunable, lost, cut))]
        return [self._here(_expect(prunable, own, cut))]

    def _member_step(self, node: str, expected: tuple[ExpectedDataset, ...], view: DirectoryView) -> PlanStep:
        """Return the step of another node: asked if anything of its part is kept and it is registered."""
        kept = sum(item.keep for item in expected)
        if not kept:
            reasons = sorted({item.reason for item in expected})
            return PlanStep(node, Decision.PRUNE, "+".join(reasons), expected=expected)
        standbys = self._standbys.of(node, expected, view, self._replicas())
        record = view.nodes.get(node)
        if record is None:
            detail = "it is not registered at the moment (its lease has expired)"
            return PlanStep(node, Decision.MISSING, "NOT_REGISTERED", detail, expected=expected, standbys=standbys)
        alone = len(expected) == 1 and expected[0].dataset.startswith(f"{node}/")
        scope = Scope.SELF if alone else Scope.SUBTREE
        detail = f"{kept} of {len(expected)} datasets may match"
        if record.draining:
            detail += "; it is being drained: standbys that hold all of them come first"
        return PlanStep(
            node,
            Decision.ASK,
            MAY_MATCH,
            detail,
            record.address,
            scope,
            expected,
            standbys=standbys,
            draining=record.draining,
        )

    def _lost_step(self, expected: ExpectedDataset) -> PlanStep:
        if not expected.keep:
            return PlanStep(self._node, Decision.PRUNE, expected.reason, expected=(expected,))
        detail = "the registry has it as this node's, and it is not here"
        return PlanStep(self._node, Decision.MISSING, "NOT_HELD", detail, expected=(expected,))

    def _arrangement(self, collection: str, view: DirectoryView) -> Arrangement:
        """Return the datasets below this node, arranged; made anew when the directory's nodes or datasets changed."""
        if self._topology.nodes is not view.nodes:
            self._topology = Topology(view.nodes)
        datasets = view.datasets.get(collection, _NO_DATASETS)
        known = self._arrangements.pop(collection, None)
        if known is None or known.source is not datasets or known.topology is not self._topology:
            known = Arrangement(self._node, datasets, self._topology, known)
        self._arrangements[collection] = known
        if len(self._arrangements) > _KEPT_ARRANGEMENTS:
            del self._arrangements[next(iter(self._arrangements))]
        return known


def _expect(selection: Prunable, record: DatasetRecord, cut: Cut) -> ExpectedDataset:
    _, reason = decide(selection, record)
    return expect(record, reason, cut.get(record.dataset, record.version))
