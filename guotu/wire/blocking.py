"""The blocking client under `guotu.client`: calls a node, yields model values, raises model errors."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TypeVar

from guotu.model.answer import Frame, Trailer
from guotu.model.boundary import Boundary
from guotu.model.collection import Collection
from guotu.model.definition import collection_from_json
from guotu.model.errors import Overloaded
from guotu.model.plan import Plan
from guotu.model.question import Cut, LayerOverlay, Overlay, Query, Question, Scope
from guotu.model.records import DatasetRecord, NodeRecord, NodeState, VersionInfo
from guotu.v1 import (
    dataset_pb2,
    dataset_pb2_grpc,
    directory_pb2,
    directory_pb2_grpc,
    node_pb2,
    node_pb2_grpc,
    query_pb2,
    query_pb2_grpc,
    version_pb2,
    version_pb2_grpc,
)
from guotu.wire.answers import FrameReader, Response, trailer_from_proto
from guotu.wire.boundaries import boundary_from_proto
from guotu.wire.connection import Connection, request_id
from guotu.wire.endpoint import TlsFiles
from guotu.wire.plans import plan_from_proto
from guotu.wire.questions import (
    cut_to_proto,
    explain_to_proto,
    overlay_to_proto,
    query_to_proto,
    scope_to_proto,
    stats_to_proto,
)
from guotu.wire.records import dataset_from_proto, node_from_proto
from guotu.wire.versions import version_from_proto

T = TypeVar("T")
OnBusy = Callable[[Overloaded, float], None]
"""Told that a node is too busy, and in how many seconds it is asked again."""
_SPREAD = 1.25
"""Times what a busy node said that one waits at most, so that not all come back at once."""


class BlockingCalls(Connection):
    """One node's services over one channel; every method raises the typed error that the node raised."""

    def __init__(self, address: str, tls: TlsFiles | None, timeout: float, on_busy: OnBusy | None = None) -> None:
        super().__init__(address, tls)
        self._timeout = timeout
        self._on_busy = on_busy
        self._closing = threading.Event()

    def close(self) -> None:
        """Close the connection; who waits to ask again gives up."""
        self._closing.set()
        super().close()

    def ask(self, question: Question, timeout: float | None) -> Iterator[Frame]:
        """Stream the frames of an answer; closing the iterator cancels the question.

        A node that is too busy is asked again when it says, as long as the deadline allows that, and no frame has come.
        """
        deadline = time.monotonic() + (timeout or self._timeout)
        while True:
            with closing(self._ask_once(question, max(deadline - time.monotonic(), 0.0))) as frames:
                try:
                    first = next(frames, None)
                except Overloaded as busy:
                    self._wait(busy, deadline)
                    continue
                if first is not None:
                    yield first
                    yield from frames
                return

    def _patiently(self, timeout: float | None, call: Callable[[float], T]) -> T:
        """Make a call, which is given what is left of its deadline, until the node is not too busy for it."""
        deadline = time.monotonic() + (timeout or self._timeout)
        while True:
            try:
                with self._errors():
                    return call(max(deadline - time.monotonic(), 0.0))
            except Overloaded as busy:
                self._wait(busy, deadline)

    def _wait(self, busy: Overloaded, deadline: float) -> None:
        """Wait until a busy node is to be asked again.

        Raises:
            Overloaded: that would be after the deadline, or the connection is closed.
        """
        pause = busy.retry_s * random.uniform(1.0, _SPREAD)
        if time.monotonic() + pause >= deadline:
            raise busy
        if self._on_busy is not None:
            self._on_busy(busy, pause)
        if self._closing.wait(pause):
            raise busy

    def _ask_once(self, question: Question, timeout: float) -> Generator[Frame, None, None]:
        stub = query_pb2_grpc.QueryServiceStub(self._channel)
        metadata = request_id()
        call: Iterator[Response]
        if isinstance(question, Query):
            call = stub.Query(query_to_proto(question), timeout=timeout, metadata=metadata)
        elif isinstance(question, (Overlay, LayerOverlay)):
            call = stub.Overlay(overlay_to_proto(question), timeout=timeout, metadata=metadata)
        else:
            call = stub.Aggregate(stats_to_proto(question), timeout=timeout, metadata=metadata)
        reader = FrameReader()
        with self._streaming(call):
            for response in call:
                yield reader.read(response)

    def explain(self, question: Question, analyze: bool, timeout: float | None) -> tuple[Plan, Trailer | None]:
        """Return the plan, and what happened if analysed; a busy node is asked again as by `ask`."""
        stub = query_pb2_grpc.QueryServiceStub(self._channel)
        request = explain_to_proto(question, analyze)
        response = self._patiently(timeout, lambda left: stub.Explain(request, timeout=left))
        happened = trailer_from_proto(response.trailer) if response.HasField("trailer") else None
        return plan_from_proto(response.plan), happened

    def boundary(self, division: str, cut: Cut) -> Boundary:
        """Return the boundary of a division, by its code or name."""
        stub = query_pb2_grpc.QueryServiceStub(self._channel)
        request = query_pb2.GetBoundaryRequest(division=division, cut=cut_to_proto(cut))
        return boundary_from_proto(self._patiently(None, lambda left: stub.GetBoundary(request, timeout=left)))

    def node(self) -> NodeState:
        """Return the node's own facts."""
        stub = node_pb2_grpc.NodeServiceStub(self._channel)
        with self._errors():
            response = stub.GetNode(node_pb2.GetNodeRequest(), timeout=self._timeout)
        record = node_from_proto(response.node)
        return NodeState(record, response.ready, response.stale_registry, response.directory_as_of_ms)

    def nodes(self, division: str) -> tuple[list[NodeRecord], bool, int]:
        """Return (registered nodes, directory is stale, directory as of in ms since 1970)."""
        stub = directory_pb2_grpc.DirectoryServiceStub(self._channel)
        with self._errors():
            response = stub.ListNodes(directory_pb2.ListNodesRequest(division=division), timeout=self._timeout)
        nodes = [node_from_proto(node) for node in response.nodes]
        return nodes, response.stale_registry, response.directory_as_of_ms

    def collections(self, collection: str) -> list[Collection]:
        """Return the collections, sorted by id."""
        stub = directory_pb2_grpc.DirectoryServiceStub(self._channel)
        request = directory_pb2.ListCollectionsRequest(collection=collection)
        with self._errors():
            response = stub.ListCollections(request, timeout=self._timeout)
        return [collection_from_json(record.definition_json) for record in response.collections]

    def datasets(self, collection: str, scope: Scope) -> tuple[list[DatasetRecord], bool]:
        """Return (datasets sorted by id, directory is stale)."""
        stub = dataset_pb2_grpc.DatasetServiceStub(self._channel)
        request = dataset_pb2.ListDatasetsRequest(collection=collection, scope=scope_to_proto(scope))
        with self._errors():
            response = stub.ListDatasets(request, timeout=self._timeout)
        return [dataset_from_proto(record) for record in response.datasets], response.stale_registry

    def versions(self, dataset: str) -> list[VersionInfo]:
        """Return the retained versions, newest first."""
        stub = version_pb2_grpc.VersionServiceStub(self._channel)
        with self._errors():
            response = stub.ListVersions(version_pb2.ListVersionsRequest(dataset=dataset), timeout=self._timeout)
        return [version_from_proto(version) for version in response.versions]

    def manifest(self, dataset: str, version: int) -> tuple[bytes, bytes, bytes]:
        """Return (canonical JSON, signature, public key); version 0 is the head."""
        stub = version_pb2_grpc.VersionServiceStub(self._channel)
        request = version_pb2.GetManifestRequest(dataset=dataset, version=version)
        with self._errors():
            response = stub.GetManifest(request, timeout=self._timeout)
        return response.manifest_json, response.signature, response.public_key
