"""What a run of the demonstration found: for the screen's summary, and as one JSON document."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.asking import Asked
from demo.checks import Check
from demo.edit import EDITOR
from demo.owners import LOST, NATION, NODES
from demo.replica import Replication
from guotu.model.records import DatasetRecord, NodeRecord
from node.cli.documents import dataset_document, node_document

STEPS = {
    "start": "启动 etcd 与六个节点 start etcd and six nodes",
    "catalogue": "下发全国数据目录 put the national catalogue in force",
    "publish": "各节点发布自己的数据 each node publishes what it owns",
    "questions": "向全国节点提问 questions to the national node",
    "lost": f"节点 {LOST} {NODES[LOST]}断电 node {LOST} loses power",
    "back": f"节点 {LOST} {NODES[LOST]}恢复 node {LOST} comes back",
    "replicas": f"{NODES[NATION]}节点订阅全部土地覆盖 node {NATION} subscribes to all land cover",
    "edit": f"节点 {EDITOR} {NODES[EDITOR]}发布变更 node {EDITOR} publishes an edit",
    "relief": f"节点 {LOST} {NODES[LOST]}再次断电，由副本代答 node {LOST} loses power again, a replica answers",
    "checks": "与数据文件核对 check the answers against the files",
    "end": "结束全部进程 end all processes",
    "total": "总计 total",
}
"""What is timed, with its title, in its order."""


@dataclass(slots=True)
class Report:
    """Filled in as the demonstration goes on."""

    nodes: list[NodeRecord] = field(default_factory=list)
    datasets: list[DatasetRecord] = field(default_factory=list)
    questions: list[Asked] = field(default_factory=list)
    replication: Replication = field(default_factory=lambda: Replication(NATION))
    checks: list[Check] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Tell whether every check passed."""
        return all(check.passed for check in self.checks)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note the seconds of a step."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = round(time.perf_counter() - started, 3)

    def document(self) -> dict[str, Any]:
        """Return everything; docs/tutorial/first-mesh.md tells what is in it."""
        return {
            "passed": self.passed,
            "nodes": [node_document(node) for node in self.nodes],
            "datasets": [dataset_document(dataset) for dataset in self.datasets],
            "questions": [asked.document() for asked in self.questions],
            "replication": self.replication.document(),
            "checks": [check.document() for check in self.checks],
            "seconds": self.seconds,
        }

    def write(self, path: Path) -> None:
        """Write the document as UTF-8 JSON.

        Raises:
            OSError: it cannot be written.
        """
        text = json.dumps(self.document(), ensure_ascii=False, indent=2) + "\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
