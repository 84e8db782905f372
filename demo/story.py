"""The demonstration from beginning to end, in the order in which it is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from demo import questions
from demo.asking import Asked, ask, top_of_each
from demo.commands import Command, run_commands
from demo.edit import Edit
from demo.journey import Journey
from demo.mesh import LocalMesh
from demo.owners import LAYERS, LOST, NATION, NODES, Part, split
from demo.questions import DemoQuestion
from demo.report import STEPS, Report
from demo.screen import Screen
from demo.settling import wait_until
from demo.source_data import SourceData
from demo.verdicts import (
    check_datasets,
    check_features,
    check_journey,
    check_loss,
    check_overlay,
    check_relief,
    check_return,
    check_totals,
)
from guotu.client import Client
from guotu.model.division import stands_above
from guotu.model.records import DatasetRecord
from node.cli.wording import count
from registry.catalogue import national_catalogue_path

_TOP = 3
"""Classes that are shown of each province."""


@dataclass(slots=True)
class Story:
    """One run: a mesh that is not started yet, a folder to work in, a screen, and a report to fill."""

    mesh: LocalMesh
    folder: Path
    screen: Screen
    report: Report
    _parts: list[Part] = field(default_factory=list)
    _asked: dict[str, Asked] = field(default_factory=dict)
    _returned: Sequence[DatasetRecord] = ()
    _edit: Edit | None = None

    def tell(self) -> None:
        """Run it all; the mesh is left running.

        Raises:
            ProcessEnded, TimeoutError, CommandFailed, GuotuError: something did not work at all. Answers that are
                wrong are among the report's checks.
        """
        self._step("start", self._start)
        with self.mesh.client(NATION) as nation:
            self._step("catalogue", lambda: self._agree(nation))
            self._step("publish", lambda: self._publish(nation))
            self._step("questions", lambda: self._question(nation))
            self._step("lost", lambda: self._lose(nation))
            self._step("back", lambda: self._return(nation))
        journey = Journey(self.mesh, self.folder, self.screen, self.report.replication, self._parts)
        self._step("replicas", journey.subscribe)
        self._step("edit", lambda: self._change(journey))
        with self.mesh.client(NATION) as nation:
            self._step("relief", lambda: self._relieve(nation))
        self._step("checks", self._check)

    def _step(self, name: str, work: Callable[[], None]) -> None:
        self.screen.heading(STEPS[name])
        with self.report.timed(name):
            work()

    def _start(self) -> None:
        with self.screen.waiting("启动 starting …"):
            self.mesh.start_etcd()
            self.mesh.start_nodes()
            # While the nodes load their libraries.
            self._parts = [part for layer in LAYERS for part in split(layer, self.folder)]
            self.mesh.wait_ready()
            with self.mesh.client(NATION) as nation:
                wait_until(lambda: len(nation.nodes()) == len(NODES), "节点全部注册 all nodes registered")
                self.report.nodes = nation.nodes()
        self.screen.say(f"etcd {self.mesh.etcd.endpoint}")
        self.screen.nodes(self.report.nodes)

    def _agree(self, nation: Client) -> None:
        catalogue = national_catalogue_path()
        words = ("catalogue", "apply", str(catalogue), "--etcd", self.mesh.etcd.endpoint, "--yes", "--json")
        self.screen.say(f"$ guotu catalogue apply {catalogue.name} --etcd {self.mesh.etcd.endpoint}", "cyan")
        with self.screen.waiting("下发 applying …"):
            (done,) = run_commands([Command("catalogue", words)], self.folder, self.mesh.guard)
            wait_until(self._everyone_knows_the_layers, "各节点收到目录 the catalogue at every node")
        self.screen.say(f"{len(nation.collections())} 个图层 collections, {done.document['edition']}")

    def _everyone_knows_the_layers(self) -> bool:
        wanted = {layer.collection for layer in LAYERS}
        for node in self.mesh.nodes:
            with self.mesh.client(node) as client:
                if not wanted <= {item.id for item in client.collections()}:
                    return False
        return True

    def _publish(self, nation: Client) -> None:
        commands = [self._publication(part) for part in self._parts]
        with self.screen.progress("发布 publishing", len(commands)) as step:
            for done in run_commands(commands, self.folder, self.mesh.guard):
                part = next(part for part in self._parts if part.dataset == done.command.name)
                step(
                    f"$ guotu --config {part.node}/guotu.toml publish {part.collection} --from {part.path.name}   "
                    f"{count(part.rows)} 行 rows, {done.seconds:.1f} s"
                )
        wait_until(self._everyone_knows_the_datasets, "数据集全部登记 all datasets known")
        self.report.datasets = nation.datasets()
        self.screen.datasets(self.report.datasets)

    def _everyone_knows_the_datasets(self) -> bool:
        for node in self.mesh.nodes:
            wanted = {part.dataset for part in self._parts if part.node == node or stands_above(node, part.node)}
            with self.mesh.client(node) as client:
                if wanted != {item.dataset for item in client.datasets()}:
                    return False
        return True

    def _publication(self, part: Part) -> Command:
        config = ("--config", str(self.mesh.config(part.node)))
        return Command(part.dataset, (*config, "publish", part.collection, "--from", str(part.path), "--json"))

    def _question(self, nation: Client) -> None:
        polygon = questions.write_polygon(self.folder / "around-chengdu.geojson")
        self._ask(nation, questions.classes())
        provinces = self._ask(nation, questions.provinces(), show=False)
        self.screen.question(provinces, top_of_each(provinces.rows_of(), "province", "sum_area_m2", _TOP))
        self._ask(nation, questions.named_counties())
        self._ask(nation, questions.border_patches())
        self._ask(nation, questions.largest_patches())
        self._ask(nation, questions.division_counties())
        self._ask(nation, questions.counties_around(polygon))
        self._ask(nation, questions.classes_around(polygon))
        self._ask(nation, questions.border_explained())

    def _ask(self, client: Client, asked: DemoQuestion, show: bool = True) -> Asked:
        answer = ask(client, NATION, asked)
        self._asked[asked.name] = answer
        self.report.questions.append(answer)
        if show:
            self.screen.question(answer)
        return answer

    def _lose(self, nation: Client) -> None:
        self.screen.say(f"kill -9 {self.mesh.pid(LOST)}  # {LOST} {NODES[LOST]}", "bold red")
        self.mesh.kill(LOST)
        classes = questions.classes()
        title = "同一问题，允许部分结果 the same question, a partial answer will do"
        self.screen.members(self._ask(nation, classes.partial("partial", title)))
        title = "同一问题，要求完整 the same question, complete or not at all"
        self._ask(nation, classes.named("refused", title))
        self._ask(nation, questions.counties_elsewhere())

    def _return(self, nation: Client) -> None:
        with self.screen.waiting("重启 starting again …"):
            self.mesh.start_node(LOST)
            wait_until(lambda: self._whole_again(nation), "回答恢复完整 a complete answer again")
        self._returned = nation.datasets()
        again = questions.classes().named(
            "again", "同一问题，同一数据目录 the same question, on the same data directory"
        )
        answer = self._ask(nation, again)
        same = answer.digest == self._asked["classes"].digest
        verdict = "与断电前相同 as before" if same else "与断电前不同 NOT as before"
        self.screen.say(f"摘要 digest {answer.digest}  {verdict}", "green" if same else "bold red")

    def _whole_again(self, nation: Client) -> bool:
        answer = ask(nation, NATION, questions.classes().partial("probe", ""))
        return answer.completeness is not None and answer.completeness.complete

    def _relieve(self, nation: Client) -> None:
        """Lose the node once more, now that the nation holds replicas of what it owns."""
        classes = questions.classes()
        self._ask(nation, classes.named("whole", "同一问题，所有者都在 the same question, all owners there"))
        self.screen.say(f"kill -9 {self.mesh.pid(LOST)}  # {LOST} {NODES[LOST]}", "bold red")
        self.mesh.kill(LOST)
        self.screen.members(
            self._ask(
                nation, classes.named("relieved", "同一问题，要求完整，有副本 the same, complete, with a replica")
            )
        )
        self.mesh.start_node(LOST)

    def _change(self, journey: Journey) -> None:
        self._edit = journey.edit()

    def _check(self) -> None:
        source = SourceData()
        assert self._edit is not None  # an earlier step
        self.report.checks = [
            check_datasets(self._parts, self.report.datasets),
            *check_totals(self._asked, source),
            *check_features(self._asked, source),
            check_overlay(self._asked, source),
            *check_loss(self._asked, source, LOST),
            check_return(self._asked, self.report.datasets, self._returned),
            *check_journey(self.report.replication, self._edit),
            check_relief(self._asked, LOST, NATION),
        ]
        self.screen.checks(self.report.checks)
