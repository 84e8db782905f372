"""guotu.v1.NodeService, DirectoryService and DatasetService: what the node knows, as lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from federation.planning.topology import Topology, claims_of
from guotu.model.definition import collection_to_json
from guotu.model.division import contains
from guotu.model.errors import InvalidQuestion, UnknownCollection
from guotu.model.ports import Catalogue, Directory, DirectoryView
from guotu.model.question import Scope
from guotu.model.records import DatasetRecord, NodeRecord
from guotu.v1 import (
    dataset_pb2,
    dataset_pb2_grpc,
    directory_pb2,
    directory_pb2_grpc,
    node_pb2,
    node_pb2_grpc,
    registry_pb2,
)
from guotu.wire.questions import scope_from_proto
from guotu.wire.records import dataset_to_proto, node_to_proto
from node.holdings import Holdings
from node.readiness import Readiness
from node.rpc.gate import Context, Gate


class NodeServicer(node_pb2_grpc.NodeServiceServicer):
    """Tells of the node itself, also while it is not ready."""

    def __init__(self, record: Callable[[], NodeRecord], readiness: Readiness, directory: Directory) -> None:
        self._record = record
        self._readiness = readiness
        self._directory = directory

    async def GetNode(self, request: node_pb2.GetNodeRequest, context: Context) -> node_pb2.GetNodeResponse:
        """Return the node's identity and state."""
        view = self._directory.view()
        return node_pb2.GetNodeResponse(
            node=node_to_proto(self._record()),
            ready=self._readiness.ready,
            stale_registry=view.stale,
            directory_as_of_ms=view.as_of_ms,
        )


class DirectoryServicer(directory_pb2_grpc.DirectoryServiceServicer):
    """Lists nodes and collections."""

    def __init__(self, gate: Gate, directory: Directory, catalogue: Catalogue) -> None:
        self._gate = gate
        self._directory = directory
        self._catalogue = catalogue

    async def ListNodes(
        self, request: directory_pb2.ListNodesRequest, context: Context
    ) -> directory_pb2.ListNodesResponse:
        """List registered nodes."""

        async def work() -> directory_pb2.ListNodesResponse:
            view = self._directory.view()
            nodes = [node for _, node in sorted(view.nodes.items()) if _below(request.division, node.division)]
            return directory_pb2.ListNodesResponse(
                nodes=[node_to_proto(node) for node in nodes],
                stale_registry=view.stale,
                directory_as_of_ms=view.as_of_ms,
            )

        return await self._gate.unary(context, "ListNodes", work)

    async def ListCollections(
        self, request: directory_pb2.ListCollectionsRequest, context: Context
    ) -> directory_pb2.ListCollectionsResponse:
        """List collections."""

        async def work() -> directory_pb2.ListCollectionsResponse:
            wanted = [item for item in self._catalogue.all() if request.collection in ("", item.id)]
            if request.collection and not wanted:
                raise UnknownCollection(collection=request.collection)
            records = [
                registry_pb2.CollectionRecord(
                    collection=item.id, edition=item.edition, definition_json=collection_to_json(item)
                )
                for item in wanted
            ]
            return directory_pb2.ListCollectionsResponse(collections=records)

        return await self._gate.unary(context, "ListCollections", work)


class DatasetServicer(dataset_pb2_grpc.DatasetServiceServicer):
    """Lists datasets."""

    def __init__(self, gate: Gate, directory: Directory, holdings: Holdings) -> None:
        self._gate = gate
        self._directory = directory
        self._holdings = holdings

    async def ListDatasets(
        self, request: dataset_pb2.ListDatasetsRequest, context: Context
    ) -> dataset_pb2.ListDatasetsResponse:
        """List datasets."""

        async def work() -> dataset_pb2.ListDatasetsResponse:
            view = self._directory.view()
            own = {record.dataset: record for record in self._holdings.records().values()}
            below = {}
            if scope_from_proto(request.scope) is Scope.SUBTREE:
                below = {record.dataset: record for record in self._below(view, request.collection)}
            chosen = _of_collection((below | own).values(), request.collection)
            return dataset_pb2.ListDatasetsResponse(
                datasets=[dataset_to_proto(record) for record in chosen], stale_registry=view.stale
            )

        return await self._gate.unary(context, "ListDatasets", work)

    def _below(self, view: DirectoryView, collection: str) -> Iterator[DatasetRecord]:
        """Yield the records of who stands below this node, as a question finds them.

        Divisions of ids are looked at first, for a record is unpacked when it is read.
        """
        wanted = [collection] if collection else list(view.datasets)
        records = [
            by_id[dataset]
            for by_id in (view.datasets.get(name, {}) for name in wanted)
            for dataset in by_id
            if not dataset.startswith(f"{self._gate.node}/") and contains(self._holdings.division, dataset[:6])
        ]
        tree = Topology(view.nodes, claims_of(records, view.nodes))
        return (record for record in records if tree.step(self._gate.node, record.node) is not None)


def _of_collection(records: Iterable[DatasetRecord], collection: str) -> list[DatasetRecord]:
    chosen = (record for record in records if collection in ("", record.collection))
    return sorted(chosen, key=lambda record: record.dataset)


def _below(division: str, code: str) -> bool:
    if not division:
        return True
    if not (len(division) == 6 and division.isdigit()):
        raise InvalidQuestion(part="division", detail=f"{division!r} is not a GB/T 2260 code of six digits")
    return contains(division, code)
