"""Many nodes' real federations in one process, linked by what they would send; each with a directory of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace

from federation.boundaries import Boundaries
from federation.planning.planner import Planner
from federation.service import Federation
from guotu.model import errors
from guotu.model.answer import Batch, Frame
from guotu.model.plan import Plan
from guotu.model.ports import DirectoryView
from guotu.model.question import Overlay, Query, Question, Stats
from guotu.model.records import DatasetRecord, NodeRecord, ReplicaRecord
from guotu.v1 import query_pb2
from guotu.wire.answers import FrameReader, frame_to_proto
from guotu.wire.questions import query_from_proto, query_to_proto, stats_from_proto, stats_to_proto
from tests.support.federation_parts import PARCELS, FixedCatalogue, FixedDirectory, dataset, node, view
from tests.support.scripted_mesh import Heard
from tests.support.scripted_peers import Member, MemberStore, parcels


@dataclass(slots=True)
class Call:
    """One question from node to node."""

    asker: str
    asked: str
    question: Question
    rows_bytes: int = 0
    """Arrow messages that came back."""
    bytes: int = 0
    """All frames that came back, as they would go over the wire."""


class LinkedMesh:
    """A mesh in which every node answers by its own federation, and holds the rows of the member of its name.

    What goes from node to node is made into messages and read again.
    """

    def __init__(self, nodes: Iterable[str | NodeRecord], rows: int = 6, bypass: bool = True) -> None:
        """Make nodes with so many rows each, which all see the same directory."""
        records = [node(item) if isinstance(item, str) else item for item in nodes]
        self.members = {item.node: Member(item.node, parcels(item.node, rows)) for item in records}
        self.view = view(
            records,
            [replace(dataset(item.node, rows=rows), also_under=item.also_under) for item in records],
        )
        self.directories = {item.node: FixedDirectory(self.view) for item in records}
        self._copies: dict[str, dict[str, DatasetRecord]] = {item.node: {} for item in records}
        self._stores = {name: MemberStore(member) for name, member in self.members.items()}
        self.federations = {item.node: self._federation(item.node, bypass) for item in records}
        self.calls: list[Call] = []
        self.dead: set[str] = set()
        """Nodes that refuse connections."""
        self.silent: set[str] = set()
        """Nodes that take questions and never say anything."""
        self.late: dict[str, float] = {}
        """Nodes that say nothing for so many seconds."""

    def _federation(self, name: str, bypass: bool) -> Federation:
        held = {"dltb": dataset(name, rows=len(self.members[name].rows))}
        return Federation(
            planner=Planner(name, self.directories[name], lambda: held, lambda: self._copies[name], bypass),
            catalogue=FixedCatalogue(PARCELS),
            store=self._stores[name],  # type: ignore[arg-type]
            peers=_Links(name, self),
            request_id=lambda: "request-1",
            observe=lambda outcome: None,
            boundaries=Boundaries(self.directories[name], lambda wanted: []),
        )

    def see(self, name: str, seen: DirectoryView) -> None:
        """Let a node have another directory than the others."""
        self.directories[name].present = seen

    def hold(self, holder: str, owner: str) -> None:
        """Let a node hold a whole replica of another's dataset, and every node know of it."""
        copy = self.members[owner]
        self._copies[holder] = {copy.dataset: dataset(owner, rows=len(copy.rows))}
        self._stores[holder].hold(copy)
        held = ReplicaRecord(copy.dataset, holder, 1, digest="00" * 32)
        for directory in self.directories.values():
            replicas = {**directory.present.replicas, copy.dataset: {holder: held}}
            directory.present = replace(directory.present, replicas=replicas)

    async def ask(self, name: str, question: Question, timeout: float = 20.0) -> Heard:
        """Ask a node."""
        self.calls.clear()
        heard = Heard()
        try:
            async for frame in self.frames(name, question, timeout):
                heard.frames.append(frame)
        except errors.GuotuError as failure:
            heard.failure = failure
        return heard

    def frames(self, name: str, question: Question, timeout: float) -> AsyncIterator[Frame]:
        """Begin to answer at a node."""
        federation = self.federations[name]
        match question:
            case Query():
                return federation.query(question, timeout)
            case Stats():
                return federation.stats(question, timeout)
            case Overlay():
                return federation.overlay(question, timeout)

    def dialed(self) -> set[tuple[str, str]]:
        """Return who asked whom, as (asker, asked)."""
        return {(call.asker, call.asked) for call in self.calls}


class _Links:
    """`guotu.model.ports.PeerClient` of one node of such a mesh."""

    def __init__(self, asker: str, mesh: LinkedMesh) -> None:
        self._asker = asker
        self._mesh = mesh

    def query(self, address: str, question: Query, timeout: float | None) -> AsyncIterator[Frame]:
        return self._ask(address, query_from_proto(query_to_proto(question)), timeout)

    def stats(self, address: str, question: Stats, timeout: float | None) -> AsyncIterator[Frame]:
        return self._ask(address, stats_from_proto(stats_to_proto(question)), timeout)

    def overlay(self, address: str, question: Overlay, timeout: float | None) -> AsyncIterator[Frame]:
        return self._ask(address, question, timeout)

    async def _ask(self, address: str, question: Question, timeout: float | None) -> AsyncIterator[Frame]:
        mesh, asked = self._mesh, address.removesuffix(":1")
        call = Call(self._asker, asked, question)
        mesh.calls.append(call)
        if asked in mesh.dead:
            raise errors.NodeUnavailable(address=address, detail="connection refused")
        if asked in mesh.silent:
            await asyncio.Event().wait()
        await asyncio.sleep(mesh.late.get(asked, 0.0))
        reader = FrameReader()
        async with aclosing(mesh.frames(asked, question, timeout or 20.0)) as frames:  # type: ignore[type-var]
            async for frame in frames:
                message = frame_to_proto(frame, query_pb2.QueryResponse)
                call.bytes += message.ByteSize()
                call.rows_bytes += len(message.batch.arrow_batch) if isinstance(frame, Batch) else 0
                yield reader.read(message)

    async def explain(self, address: str, question: Question, timeout: float | None) -> Plan:
        return await self._mesh.federations[address.removesuffix(":1")].explain(question, timeout or 20.0)
