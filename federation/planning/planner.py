"""The planner: a question and a directory in, a printable plan out. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import shapely

from federation.planning.arrangement import Arrangement, expect
from federation.planning.closing import by_owner, closed, unadvertised
from federation.planning.phrases import merge_phrase, pushed_down
from federation.planning.prune import MAY_MATCH, Prunable, decide, decide_all
from federation.planning.reach import reach_of
from federation.planning.standbys import Standbys
from federation.planning.topology import Topology
from federation.planning.turning import turned
from federation.planning.zoning import advertised_grounds, with_zones
from federation.selection import BoundSelection, bind_selection, near
from guotu.model.collection import Collection
from guotu.model.division import dataset_id, split_dataset, stands_above
from guotu.model.errors import InvalidQuestion, UnknownDataset
from guotu.model.gateway import gateway
from guotu.model.plan import Decision, ExpectedDataset, Plan, PlanStep
from guotu.model.ports import Directory, DirectoryView
from guotu.model.question import Cut, LayerOverlay, Options, Overlay, Query, Question, Scope, ZoneSource
from guotu.model.records import DatasetRecord, Extent

Holdings = Callable[[], Mapping[str, DatasetRecord]]
"""The node's own datasets by collection id: its own truth, ahead of the registry."""
Replicas = Callable[[], Mapping[str, DatasetRecord]]
"""The node's whole replicas by dataset id, each at the version held here."""
_NO_DATASETS: Mapping[str, DatasetRecord] = {}
REACHED_THROUGH = "REACHED_THROUGH"
"""Why a member cannot be asked: the one node that may dial it cannot be asked either."""
_KEPT_ARRANGEMENTS = 8
"""Collections whose arrangement is kept; one of 3,200 datasets takes some megabytes."""


class Planner:
    """Plans questions for one node."""

    def __init__(
        self, node: str, directory: Directory, holdings: Holdings, replicas: Replicas = dict, bypass: bool = True
    ) -> None:
        """Set where facts come from; `bypass`: ask those behind a member that does not answer without it."""
        self.node = node
        self._bypass = bypass
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
            InvalidQuestion: it is not in a closed cut, or nothing is that is answered for here.
        """
        started = time.perf_counter()
        selection = bind_selection(question.selection, collection)
        view = self._directory.view()
        heads = view.datasets.get(collection.id, _NO_DATASETS)
        reach = None
        if isinstance(question, Query) and question.nearest is not None:
            selection, reach = near(selection, question.nearest), reach_of(question, selection, heads)
        zones = self._zone_grounds(question, view)
        steps = self._steps(question, view, Prunable.of(selection, zones, reach))
        steps = tuple(turned(steps, question))
        if isinstance(question, Overlay) and zones is not None:
            steps = with_zones(steps, question.zones, zones, heads)
        plan = Plan(
            node=self.node,
            collection=collection.id,
            scope=question.options.scope,
            steps=steps,
            pushed_down=pushed_down(question, selection),
            merge=merge_phrase(question, steps),
            stale_registry=view.stale,
            directory_as_of_ms=view.as_of_ms,
            planning_ms=(time.perf_counter() - started) * 1000,
            zones=question.zones.cut if isinstance(question, LayerOverlay) else {},
        )
        return plan, selection

    def pinned(self, source: ZoneSource, options: Options) -> ZoneSource:
        """Return where zones are taken from, with a cut: of all datasets in the directory, as neighbours have a part.

        With the scope SELF only what the node has itself, with a closed cut only what it names.

        Raises:
            UnknownDataset: the one dataset is not known.
            InvalidQuestion: nobody has a dataset of the collection.
        """
        if source.cut:
            return source
        known = {
            record.dataset: record for record in self._holdings().values() if record.collection == source.collection
        }
        if options.scope is Scope.SUBTREE:
            known = {**self._directory.view().datasets.get(source.collection, _NO_DATASETS), **known}
        if options.closed:
            known = {name: record for name, record in known.items() if name in options.cut}
        if source.dataset:
            if source.dataset not in known:
                raise UnknownDataset(dataset=source.dataset)
            known = {source.dataset: known[source.dataset]}
        if not known:
            detail = f"没有数据集 nobody has a dataset of {source.collection}"
            raise InvalidQuestion(part="zones", detail=detail)
        return replace(source, cut={name: options.cut.get(name, known[name].version) for name in sorted(known)})

    def extent(self, expected: ExpectedDataset) -> Extent | None:
        """Return where the features of a dataset held here lie; None if it is not the version that is advertised."""
        owner, collection = split_dataset(expected.dataset)
        held = self._holdings().get(collection) if owner == self.node else self._replicas().get(expected.dataset)
        return held.extent if held is not None and held.version == expected.version else None

    def _zone_grounds(self, question: Question, view: DirectoryView) -> shapely.STRtree | None:
        """Return polygons of which every feature of an overlay's answer meets one; None if there is no such bound."""
        match question:
            case Overlay():
                return shapely.STRtree(question.zones.pieces.shapes)
            case LayerOverlay():
                return advertised_grounds(
                    question.zones.cut, view.datasets.get(question.zones.collection, _NO_DATASETS)
                )
        return None

    def advertised(self, collection: str) -> dict[tuple[str, int], DatasetRecord]:
        """Return what is known of the datasets of a collection, by id and version."""
        own = self._holdings().get(collection)
        replicas = (record for record in self._replicas().values() if record.collection == collection)
        heads = self._directory.view().datasets.get(collection, _NO_DATASETS).values()
        records = (*replicas, *heads, *([own] if own is not None else ()))
        return {(record.dataset, record.version): record for record in records}

    def _steps(self, question: Question, view: DirectoryView, prunable: Prunable) -> tuple[PlanStep, ...]:
        options = question.options
        if options.dataset:
            return (self._one_step(options, view, prunable),)
        steps = self._own_steps(question.collection, view, prunable, options)
        if options.scope is Scope.SUBTREE:
            arrangement = self._arrangement(question.collection, view)
            members = arrangement.members(decide_all(prunable, arrangement.candidates), options.cut)
            if options.closed:
                members = closed(members, options.cut, question.collection, arrangement.tree, self.node)
            steps.extend(self._member_step(child, part, view, options.relayed) for child, part in by_owner(members))
        if options.closed and not steps:
            detail = (
                f"其中没有此处可答的 {question.collection} 数据集 it names no dataset of it that is answered for here"
            )
            raise InvalidQuestion(part="cut", detail=detail)
        return tuple(steps)

    def _one_step(self, options: Options, view: DirectoryView, prunable: Prunable) -> PlanStep:
        """Return the step of the one dataset asked: taken here if it is held here, else asked of its owner."""
        dataset = options.dataset
        owner, collection = split_dataset(dataset)
        if options.closed and dataset not in options.cut:
            raise InvalidQuestion(part="cut", detail=f"切面中没有 there is no {dataset} in it")
        if owner == self.node:
            own = self._own_steps(collection, view, prunable, options)
            if not own:
                raise UnknownDataset(dataset=dataset)
            return own[0]
        replica = self._replicas().get(dataset)
        if replica is not None and options.cut.get(dataset, 0) <= replica.version:
            return self._here(_expect(prunable, replica, options.cut), f"replica of {dataset} held here")
        record = view.datasets.get(collection, _NO_DATASETS).get(dataset)
        if record is None or options.scope is Scope.SELF:
            raise UnknownDataset(dataset=dataset)
        door, reached = gateway(owner, self.node, view.nodes)
        expected = (_expect(prunable, record, options.cut),)
        return self._member_step(owner if reached is None else door, expected, view, options.relayed)

    def _here(self, expected: ExpectedDataset, detail: str = "") -> PlanStep:
        decision = Decision.LOCAL if expected.keep else Decision.PRUNE
        return PlanStep(self.node, decision, expected.reason, detail, expected=(expected,))

    def _own_steps(self, collection: str, view: DirectoryView, prunable: Prunable, options: Options) -> list[PlanStep]:
        """Return the step of the node's own dataset; none if it has, and is known to have, none."""
        dataset, cut = dataset_id(self.node, collection), options.cut
        if options.closed and dataset not in cut:
            return []
        own = self._holdings().get(collection)
        if own is not None:
            return [self._here(_expect(prunable, own, cut))]
        lost = view.datasets.get(collection, {}).get(dataset)
        if lost is not None:
            return [self._lost_step(_expect(prunable, lost, cut))]
        return [self._lost_step(unadvertised(dataset, cut[dataset]))] if options.closed else []

    def _member_step(
        self, node: str, expected: tuple[ExpectedDataset, ...], view: DirectoryView, relayed: bool
    ) -> PlanStep:
        """Return the step of another node: asked if anything of its part is kept and it can be reached.

        A question from another node goes down only, so that none goes in circles where nodes see different directories.
        """
        kept = sum(item.keep for item in expected)
        if not kept:
            reasons = sorted({item.reason for item in expected})
            return PlanStep(node, Decision.PRUNE, "+".join(reasons), expected=expected)
        standbys = self._standbys.of(node, expected, view, self._replicas())
        door, record = gateway(node, self.node, view.nodes)
        if record is None or door != node or (relayed and not stands_above(self.node, node)):
            reason, detail = _out_of_reach(node, view)
            return PlanStep(node, Decision.MISSING, reason, detail, expected=expected, standbys=standbys)
        alone = len(expected) == 1 and expected[0].dataset.startswith(f"{node}/")
        detail = f"{kept} of {len(expected)} datasets may match"
        if record.draining:
            detail += "; it is being drained: standbys that hold all of them come first"
        return PlanStep(
            node=node,
            decision=Decision.ASK,
            reason=MAY_MATCH,
            detail=detail,
            address=record.address,
            scope=Scope.SELF if alone else Scope.SUBTREE,
            expected=expected,
            standbys=standbys,
            draining=record.draining,
            bypass=self._bypass and any(item.keep for item in _behind(node, expected)),
        )

    def detour(self, step: PlanStep, avoided: frozenset[str] = frozenset()) -> tuple[PlanStep, ...]:
        """Return the steps by which what lies behind a member is asked without it, in the order of its own answer.

        Args:
            step: of a member that does not answer, at the versions that are pinned.
            avoided: members that do not answer either.
        """
        behind = [item for item in _behind(step.node, step.expected) if item.keep]
        if not (step.bypass and behind):
            return ()
        gone = avoided | {step.node}
        now = self._directory.view()
        view = replace(now, nodes={name: record for name, record in now.nodes.items() if name not in gone})
        known = self._arrangements.get(split_dataset(behind[0].dataset)[1])
        tree = (Topology(now.nodes) if known is None else known.tree).without(gone)
        parts: dict[str, list[ExpectedDataset]] = {}
        for item in behind:
            owner = split_dataset(item.dataset)[0]
            parts.setdefault(tree.step(self.node, owner) or owner, []).append(item)
        members = {child: tuple(part) for child, part in sorted(parts.items())}
        return tuple(self._member_step(child, part, view, relayed=True) for child, part in by_owner(members))

    def _lost_step(self, expected: ExpectedDataset) -> PlanStep:
        if not expected.keep:
            return PlanStep(self.node, Decision.PRUNE, expected.reason, expected=(expected,))
        detail = "it is told to be this node's, and it is not here"
        return PlanStep(self.node, Decision.MISSING, "NOT_HELD", detail, expected=(expected,))

    def _arrangement(self, collection: str, view: DirectoryView) -> Arrangement:
        """Return the datasets below this node, arranged; made anew when the directory's nodes or datasets changed."""
        if self._topology.nodes is not view.nodes:
            self._topology = Topology(view.nodes)
        datasets = view.datasets.get(collection, _NO_DATASETS)
        known = self._arrangements.pop(collection, None)
        if known is None or known.source is not datasets or known.topology is not self._topology:
            known = Arrangement(self.node, datasets, self._topology, known)
        self._arrangements[collection] = known
        if len(self._arrangements) > _KEPT_ARRANGEMENTS:
            del self._arrangements[next(iter(self._arrangements))]
        return known


def _behind(node: str, expected: tuple[ExpectedDataset, ...]) -> Iterator[ExpectedDataset]:
    """Yield the datasets that are not the member's own."""
    return (item for item in expected if not item.dataset.startswith(f"{node}/"))


def _out_of_reach(node: str, view: DirectoryView) -> tuple[str, str]:
    """Return reason and detail of a member that cannot be dialed."""
    record = view.nodes.get(node)
    if record is None:
        return "NOT_REGISTERED", "it is not registered at the moment (its lease has expired)"
    if not record.reached_through:
        return "NOT_BELOW", "it is not below this node, which was asked as a member"
    return REACHED_THROUGH, f"it is reached only through {record.reached_through}, which cannot be asked at the moment"


def _expect(selection: Prunable, record: DatasetRecord, cut: Cut) -> ExpectedDataset:
    _, reason = decide(selection, record)
    return expect(record, reason, cut.get(record.dataset, record.version))
