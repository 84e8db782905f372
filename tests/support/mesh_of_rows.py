"""A mesh in one process: real federations at every node, over rows in memory, that ask each other as over the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import cmp_to_key
from typing import Any

import pyarrow as pa

from federation.boundaries import Boundaries
from federation.notary import Notary
from federation.planning.planner import Planner
from federation.service import Federation
from guotu.model.answer import Batch, Frame, Header, Trailer
from guotu.model.collection import Collection
from guotu.model.errors import NodeUnavailable, UnknownVersion
from guotu.model.expression import Always, And, Compare, Expression, IsNull, Not, Or
from guotu.model.plan import Plan
from guotu.model.ports import Grouping, Scan, StoredVersion
from guotu.model.question import Overlay, Query, Question, SortKey, Stats
from guotu.model.records import ReplicaRecord
from guotu.model.schema import arrow_schema
from guotu.wire.questions import query_from_proto, query_to_proto
from tests.support.federation_parts import PARCELS, FixedCatalogue, FixedDirectory, dataset, view

Row = dict[str, Any]
PATIENCE_S = 600.0
"""Deadline of each question: of which those below get a part, and a busy machine shall lose none of them."""
_COMPARED = {
    "=": lambda left, right: left == right,
    "<>": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def true_of(expression: Expression | None, row: Row) -> bool | None:
    """Tell whether a filter is true of a row, as SQL does: None is neither true nor false."""
    match expression:
        case None:
            return True
        case Always(value):
            return value
        case IsNull(field):
            return row.get(field) is None
        case Compare(field, operator, value):
            return None if row.get(field) is None else bool(_COMPARED[operator](row[field], value))
        case Not(part):
            found = true_of(part, row)
            return None if found is None else not found
        case And(parts) | Or(parts):
            decisive = isinstance(expression, Or)
            found_all = [true_of(part, row) for part in parts]
            return decisive if decisive in found_all else None if None in found_all else not decisive
    raise NotImplementedError(type(expression))


def in_order(rows: list[Row], sort: tuple[SortKey, ...]) -> list[Row]:
    """Return rows as stores sort them: nulls last, by the key where all else is equal."""

    def compare(one: Row, other: Row) -> int:
        for key in (*sort, SortKey("BSM")):
            left, right = one.get(key.field), other.get(key.field)
            if left == right:
                continue
            if left is None or right is None:
                return 1 if left is None else -1
            return -1 if (left < right) is not key.descending else 1
        return 0

    return sorted(rows, key=cmp_to_key(compare))


class RowStore:
    """The part of `guotu.model.ports.FeatureStore` that retrieves, over versions of rows in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], list[Row]] = {}

    async def scan(
        self, dataset: str, version: int, collection: Collection, scan: Scan
    ) -> AsyncIterator[pa.RecordBatch]:
        """Stream the rows, three a batch."""
        if (dataset, version) not in self.kept:
            raise UnknownVersion(dataset=dataset, version=version)
        found = [row for row in self.kept[dataset, version] if true_of(scan.filter, row)]
        found = in_order(found, scan.sort)[: scan.limit or None] if scan.sort else found[: scan.limit or None]
        for batch in pa.Table.from_pylist(found, arrow_schema(collection, scan.fields)).to_batches(max_chunksize=3):
            yield batch

    async def aggregate(self, dataset: str, version: int, collection: Collection, grouping: Grouping) -> pa.Table:
        """Count."""
        if (dataset, version) not in self.kept:
            raise UnknownVersion(dataset=dataset, version=version)
        return pa.table({"count": pa.array([len(self.kept[dataset, version])], pa.int64())})

    async def versions(self) -> list[StoredVersion]:
        """List what is kept."""
        return [StoredVersion(*key, len(rows)) for key, rows in sorted(self.kept.items())]


class MeshOfRows:
    """Nodes and their rows; also the `PeerClient` by which they ask each other."""

    def __init__(self, nodes: Mapping[str, list[Row]], notary: Notary | None = None) -> None:
        """Every node owns a dataset of PARCELS, at version 1."""
        self._notary = notary
        self.lost: set[str] = set()
        self.asked: list[str] = []
        self._heads = dict.fromkeys(nodes, 0)
        self._held: dict[str, set[str]] = {node: set() for node in nodes}
        self.stores = {node: RowStore() for node in nodes}
        self._directory = FixedDirectory(view(nodes, []))
        for node, rows in nodes.items():
            self.publish(node, rows)
        self.restart()

    def publish(self, node: str, rows: list[Row]) -> None:
        """Make rows the next version of a node's dataset."""
        self._heads[node] += 1
        self.stores[node].kept[f"{node}/dltb", self._heads[node]] = rows
        self._replicate()

    def hold(self, holder: str, *owners: str) -> None:
        """Have a node hold whole replicas of others' datasets, with all versions, from now on."""
        self._held[holder].update(owners)
        self._replicate()

    def _replicate(self) -> None:
        """Bring replicas and the directory to what is published."""
        replicas = []
        for holder, owners in self._held.items():
            for owner in owners:
                self.stores[holder].kept |= {
                    key: rows for key, rows in self.stores[owner].kept.items() if key[0] == f"{owner}/dltb"
                }
                replicas.append(ReplicaRecord(f"{owner}/dltb", holder, self._heads[owner], digest="00" * 32))
        self._directory.present = view(self._heads, self._records().values(), replicas=replicas)

    def _copies(self, node: str) -> Mapping[str, Any]:
        records = self._records()
        return {f"{owner}/dltb": records[owner] for owner in self._held[node]}

    def _records(self) -> Mapping[str, Any]:
        kept = {node: self.stores[node].kept for node in self._heads}
        heads = ((node, version) for node, version in self._heads.items() if version)
        return {node: dataset(node, version, len(kept[node][f"{node}/dltb", version])) for node, version in heads}

    def restart(self) -> None:
        """Make all nodes anew; what they keep is in their stores alone."""
        self.nodes = {node: self._federation(node) for node in self._heads}

    def _federation(self, node: str) -> Federation:
        return Federation(
            planner=Planner(node, self._directory, lambda: {"dltb": self._records()[node]}, lambda: self._copies(node)),
            catalogue=FixedCatalogue(PARCELS),
            store=self.stores[node],  # type: ignore[arg-type]
            peers=self,
            request_id=lambda: "request-1",
            observe=lambda _: None,
            boundaries=Boundaries(self._directory, lambda _: ()),
            notary=self._notary,
        )

    def query(self, address: str, question: Query, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node, as over the wire."""
        node = address.removesuffix(":1")
        self.asked.append(node)
        if node in self.lost:
            raise NodeUnavailable(address=address, detail="lost")
        return self.nodes[node].query(query_from_proto(query_to_proto(question)), timeout or PATIENCE_S)

    def stats(self, address: str, question: Stats, timeout: float | None) -> AsyncIterator[Frame]:
        """Ask a node."""
        return self.nodes[address.removesuffix(":1")].stats(question, timeout or PATIENCE_S)

    def overlay(self, address: str, question: Overlay, timeout: float | None) -> AsyncIterator[Frame]:
        """Nobody does."""
        raise NotImplementedError

    async def explain(self, address: str, question: Question, timeout: float | None) -> Plan:
        """Nobody does."""
        raise NotImplementedError

    async def ask(self, question: Query, node: str = "100000") -> tuple[list[Row], Trailer, Header]:
        """Ask a node; returns rows, trailer and header."""
        self.asked.clear()
        frames = [frame async for frame in self.nodes[node].query(question, PATIENCE_S)]
        rows = [row for frame in frames if isinstance(frame, Batch) for row in frame.rows.to_pylist()]
        header, trailer = frames[0], frames[-1]
        assert isinstance(header, Header)
        assert isinstance(trailer, Trailer)
        return rows, trailer, header
