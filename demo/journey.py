"""The journey of an edit: the nation keeps replicas, a province edits, and what arrives is proven and compared."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from demo.command_line import quoted
from demo.commands import Command, Finished, run_commands
from demo.edit import EDITOR, Edit, make_edit
from demo.mesh import LocalMesh
from demo.owners import NATION, Part
from demo.replica import Difference, End, First, Replication, Shipped, fetched_bytes
from demo.screen import Screen
from demo.settling import wait_until
from guotu.wire.care import CareClient, VerifyResult
from guotu.wire.diffs import DiffClient, DiffHeader
from guotu.wire.subscriptions import ReplicaStatus, SubscriptionsClient
from node.cli.diff_stream import DiffStream

COLLECTION = "landcover"
DATASET = f"{EDITOR}/{COLLECTION}"
OLD, NEW = 1, 2
"""The versions before and after the edit."""
_MESSAGE, _DATE = "2020 年度变更", "2020-12-31"
_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Journey:
    """One journey, over a mesh that runs and has published."""

    mesh: LocalMesh
    folder: Path
    screen: Screen
    found: Replication
    parts: Sequence[Part]
    """Of all collections."""

    def subscribe(self) -> None:
        """Let the nation keep replicas of all land cover; wait until each is proven."""
        wanted = {part.dataset for part in self.parts if part.collection == COLLECTION}
        words = ("subscribe", COLLECTION)
        command = self._shown(NATION, words)
        self.screen.say(f"$ {command}", "cyan")
        started = time.perf_counter()
        with self.screen.waiting("复制 replicating …"), SubscriptionsClient(self.mesh.admin_socket(NATION)) as nation:
            self._run(NATION, "subscribe", words)
            wait_until(lambda: _current(nation.replicas().replicas) == wanted, "副本全部证实 all replicas proven")
            seconds, replicas = time.perf_counter() - started, nation.replicas().replicas
        self.found.first = First(command, replicas, self._fetched(), seconds)
        self.screen.replicas(self.found.first)

    def edit(self) -> Edit:
        """Let a province publish an edit; prove and compare what the nation then holds."""
        edit = make_edit(next(part for part in self.parts if part.dataset == DATASET), self.folder)
        self.found.before = self._answer(EDITOR, OLD)
        self.found.shipped = self._ship(edit)
        with self.screen.waiting("核验 verifying …"):
            self.found.ends = [self._end(node) for node in (EDITOR, NATION)]
        self.screen.journey(self.found)
        self.found.difference = self._difference()
        return edit

    def _ship(self, edit: Edit) -> Shipped:
        files = {"--changes": edit.changes, "--deletes": edit.deletes}
        told = ("--message", _MESSAGE, "--source-date", _DATE)
        named = (word for option, path in files.items() for word in (option, path.name))
        command = self._shown(EDITOR, ("publish", COLLECTION, *named, *told))
        self.screen.say(f"$ {command}", "cyan")
        before, started = self._fetched(), time.perf_counter()
        with self.screen.waiting("发布 publishing …"), SubscriptionsClient(self.mesh.admin_socket(NATION)) as nation:
            given = (word for option, path in files.items() for word in (option, str(path)))
            done = self._run(EDITOR, "edit", ("publish", COLLECTION, *given, *told))
            published_s = time.perf_counter() - started
            wait_until(lambda: _held(nation.replicas().replicas) == NEW, "副本证实新版本 the replica proven")
            proven_s = time.perf_counter() - started
        with self.mesh.client(EDITOR) as owner:
            whole = next(item.size_bytes for item in owner.versions(DATASET) if item.version == OLD)
        return Shipped(
            command=command,
            dataset=DATASET,
            version=done.document["head"]["version"],
            change=done.document["change"],
            delta_bytes=done.document["bytes"],
            shipped_bytes=self._fetched() - before,
            whole_bytes=whole,
            published_s=round(published_s, 3),
            proven_s=round(proven_s, 3),
        )

    def _end(self, node: str) -> End:
        """Let a node compute the digest of the rows that it really has, and answer from both versions."""
        with CareClient(self.mesh.admin_socket(node)) as care:
            verified = next(frame for frame in care.verify(DATASET, repair=False) if isinstance(frame, VerifyResult))
        return End(node, verified, {version: self._answer(node, version) for version in (OLD, NEW)})

    def _answer(self, node: str, version: int) -> str:
        """Return the result digest of all rows of a version, from what this node itself holds."""
        with self.mesh.client(node) as client:
            answer = client.query(COLLECTION, dataset=DATASET, version=version, scope="self")
            answer.table()
            return answer.digest.hex()

    def _difference(self) -> Difference:
        """Ask the replica how the versions differ, and show it."""
        command = f"guotu diff {DATASET} {OLD} {NEW}"
        with DiffClient(self.mesh.address(NATION), None, _TIMEOUT_S) as client:
            frames = client.diff(DATASET, OLD, NEW)
            header = next(frames)
            assert isinstance(header, DiffHeader)  # the first frame always is
            batches = [frame for frame in frames if isinstance(frame, pa.RecordBatch)]
        stream = DiffStream(DATASET, header, iter(batches), limit=0)
        self.screen.difference(command, stream)
        return Difference(command, pa.Table.from_batches(batches, header.schema), stream.account())

    def _run(self, node: str, name: str, words: Sequence[str]) -> Finished:
        config = ("--config", str(self.mesh.config(node)))
        (done,) = run_commands([Command(name, (*config, *words, "--json"))], self.folder, self.mesh.guard)
        return done

    def _fetched(self) -> int:
        return fetched_bytes(self.mesh.nodes[NATION].metrics_address)

    @staticmethod
    def _shown(node: str, words: Sequence[str]) -> str:
        """Return an operator's command as it may be typed in the folder of the mesh."""
        return " ".join(map(quoted, ("guotu", "--config", f"{node}/guotu.toml", *words)))


def _current(replicas: Sequence[ReplicaStatus]) -> set[str]:
    """Return the datasets whose replicas are at the owner's head."""
    return {item.dataset for item in replicas if item.state == "current"}


def _held(replicas: Sequence[ReplicaStatus]) -> int:
    """Return the version held of the dataset that is edited."""
    return next((item.version for item in replicas if item.dataset == DATASET), 0)
