"""A gRPC server on a free port that gives answers made beforehand, for tests of the command line alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa

from guotu.model.answer import Batch, Completeness, Frame, Header, MemberOutcome, Outcome, Segment, Trailer
from guotu.model.collection import Collection
from guotu.model.digest import SegmentDigest, result_digest
from guotu.model.errors import GuotuError, UnknownCollection
from guotu.model.plan import Decision, ExpectedDataset, Plan, PlanStep
from guotu.model.question import CompletenessMode, Question, Scope
from guotu.model.records import Change, DatasetRecord, NodeRecord, VersionInfo
from guotu.v1 import (
    admin_pb2,
    admin_pb2_grpc,
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
from guotu.wire.answers import frame_to_proto, trailer_to_proto
from guotu.wire.changes import change_to_proto
from guotu.wire.plans import plan_to_proto
from guotu.wire.questions import overlay_from_proto, query_from_proto, stats_from_proto
from guotu.wire.records import collection_to_proto, dataset_to_proto, node_to_proto
from guotu.wire.status import status_of
from guotu.wire.versions import version_to_proto
from node.ingest.misfits import with_misfits
from node.ingest.report import ImportReport, MisfitRow, faults_from_json
from registry.catalogue import national_catalogue_path, parse_catalogue

NODE = NodeRecord("510000", "四川省", "127.0.0.1:1", "a" * 32, "0.1.0", 1_700_000_000_000, b"\1" * 32)
PLAN = Plan(
    "510000",
    "landcover",
    Scope.SUBTREE,
    (
        PlanStep(
            "510100",
            Decision.ASK,
            "MAY_MATCH",
            address="10.0.0.2:7083",
            expected=(ExpectedDataset("510100/landcover", 3, 4, 1e9, True, "MAY_MATCH"),),
            detour=("510104", "510105"),
        ),
        PlanStep("500000", Decision.PRUNE, "OUTSIDE_WINDOW"),
    ),
    ("filter", "projection"),
    "concatenate by dataset",
    planning_ms=1.5,
)
ANSWERED = MemberOutcome("510100", "510100/landcover", Outcome.ANSWERED, version=3, rows=4, advertised_rows=4)
MISSING = MemberOutcome("510700", "510700/landcover", Outcome.UNREACHABLE, "NOT_REGISTERED", advertised_rows=4)


def answer_frames(batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, partial: bool = False) -> Iterator[Frame]:
    """Yield a whole answer as a node would; a partial one lacks 510700."""
    yield Header("request-1", "510000", PLAN, {"510100/landcover": 3}, schema)
    digest = SegmentDigest(schema)
    for batch in batches:
        digest.update(batch)
        yield Batch("510100/landcover", batch)
    segment = Segment("510100/landcover", 3, digest.rows, digest.digest())
    mode = CompletenessMode.ALLOW_PARTIAL if partial else CompletenessMode.REQUIRE_ALL
    completeness = Completeness(mode, (ANSWERED, MISSING) if partial else (ANSWERED,))
    yield Trailer(completeness, digest.rows, 1000, result_digest([segment]), (segment,), 12.5)


@dataclass
class Script:
    """What the node will say, and what it was asked."""

    frames: Iterable[Frame] = ()
    error: GuotuError | None = None
    """Raised after the frames."""
    refusals: list[GuotuError] = field(default_factory=list)
    """Raised in place of answers to queries, one a question, until none is left."""
    questions: list[Question] = field(default_factory=list)
    published: list[pa.RecordBatch] = field(default_factory=list)
    deleted: list[pa.RecordBatch] = field(default_factory=list)
    """Rows to delete that a publish sent."""
    change: Change | None = None
    """What a publish is said to have changed."""
    misfits: tuple[MisfitRow, ...] = ()
    """What is said of an increment that does not fit."""
    header: admin_pb2.PublishHeader | None = None
    finished: bool = False
    """True once a publish was sent to its end."""
    publish_error: GuotuError | None = None
    drop_after_finish: bool = False
    """Lose the connection instead of answering a publish."""
    head_write_id: str = ""
    """Write id of the head's manifest; that of the publish if "=" is given."""
    collections: tuple[Collection, ...] = parse_catalogue(national_catalogue_path()).collections


DATASET = DatasetRecord(
    "510000/county", "county", "510000", 2, 21, None, b"", 4.8e11, "ab" * 32, "cd" * 32, 1_700_000_000_000
)


class CannedServicer(
    node_pb2_grpc.NodeServiceServicer,
    directory_pb2_grpc.DirectoryServiceServicer,
    dataset_pb2_grpc.DatasetServiceServicer,
    version_pb2_grpc.VersionServiceServicer,
    query_pb2_grpc.QueryServiceServicer,
    admin_pb2_grpc.AdminServiceServicer,
):
    """All services of a node, from a script."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.record = NODE

    def GetNode(self, request: Any, context: Any) -> node_pb2.GetNodeResponse:
        return node_pb2.GetNodeResponse(node=node_to_proto(self.record), ready=True)

    def ListNodes(self, request: Any, context: Any) -> directory_pb2.ListNodesResponse:
        return directory_pb2.ListNodesResponse(nodes=[node_to_proto(self.record)])

    def ListCollections(self, request: Any, context: Any) -> directory_pb2.ListCollectionsResponse:
        wanted = request.collection
        found = [item for item in self.script.collections if not wanted or item.id == wanted]
        if wanted and not found:
            _abort(context, UnknownCollection(collection=wanted))
        return directory_pb2.ListCollectionsResponse(collections=[collection_to_proto(item) for item in found])

    def ListDatasets(self, request: Any, context: Any) -> dataset_pb2.ListDatasetsResponse:
        return dataset_pb2.ListDatasetsResponse(datasets=[dataset_to_proto(DATASET)])

    def ListVersions(self, request: Any, context: Any) -> version_pb2.ListVersionsResponse:
        info = VersionInfo(request.dataset, 2, 21, 1_700_000_000_000, "ab" * 32, "cd" * 32, True, "第二版", 2048)
        return version_pb2.ListVersionsResponse(versions=[version_to_proto(info)])

    def GetManifest(self, request: Any, context: Any) -> version_pb2.GetManifestResponse:
        write_id = self.script.head_write_id
        if write_id == "=":
            assert self.script.header is not None
            write_id = self.script.header.write_id
        return version_pb2.GetManifestResponse(manifest_json=json.dumps({"write_id": write_id}).encode())

    def Query(self, request: Any, context: Any) -> Iterator[query_pb2.QueryResponse]:
        self.script.questions.append(query_from_proto(request))
        if self.script.refusals:
            _abort(context, self.script.refusals.pop(0))
        for frame in self.script.frames:
            yield frame_to_proto(frame, query_pb2.QueryResponse)
        if self.script.error is not None:
            _abort(context, self.script.error)

    def Aggregate(self, request: Any, context: Any) -> Iterator[query_pb2.AggregateResponse]:
        self.script.questions.append(stats_from_proto(request))
        for frame in self.script.frames:
            yield frame_to_proto(frame, query_pb2.AggregateResponse)
        if self.script.error is not None:
            _abort(context, self.script.error)

    def Overlay(self, request: Any, context: Any) -> Iterator[query_pb2.OverlayResponse]:
        self.script.questions.append(overlay_from_proto(request))
        for frame in list(self.script.frames):
            yield frame_to_proto(frame, query_pb2.OverlayResponse)
        if self.script.error is not None:
            _abort(context, self.script.error)

    def Explain(self, request: Any, context: Any) -> query_pb2.ExplainResponse:
        if not request.analyze:
            return query_pb2.ExplainResponse(plan=plan_to_proto(PLAN))
        happened = Trailer(
            Completeness(CompletenessMode.ALLOW_PARTIAL, (ANSWERED, MISSING)), 4, 1000, b"\2" * 32, (), 12.5
        )
        return query_pb2.ExplainResponse(plan=plan_to_proto(PLAN), trailer=trailer_to_proto(happened))

    def GetStatus(self, request: Any, context: Any) -> admin_pb2.GetStatusResponse:
        return admin_pb2.GetStatusResponse(node=node_to_proto(self.record), datasets=[dataset_to_proto(DATASET)])

    def Publish(self, request_iterator: Any, context: Any) -> Iterator[admin_pb2.PublishResponse]:
        script = self.script
        script.header = next(request_iterator).header
        for request in request_iterator:
            if request.WhichOneof("frame") == "finish":
                script.finished = True
                break
            deletes = request.batch.deletes
            described = script.header.deletes_schema if deletes else script.header.arrow_schema
            batch = pa.ipc.read_record_batch(
                pa.py_buffer(request.batch.arrow_batch), pa.ipc.read_schema(pa.py_buffer(described))
            )
            (script.deleted if deletes else script.published).append(batch)
            rows = sum(batch.num_rows for batch in script.published)
            progress = admin_pb2.PublishProgress(stage="validate", rows=rows, total=script.header.expected_rows)
            yield admin_pb2.PublishResponse(progress=progress)
        if script.publish_error is not None:
            _abort(context, script.publish_error)
        if not script.finished:
            return
        if script.drop_after_finish:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        yield admin_pb2.PublishResponse(result=_result(script))


def _result(script: Script) -> admin_pb2.PublishResult:
    assert script.header is not None
    rows = sum(batch.num_rows for batch in [*script.published, *script.deleted])
    faults = faults_from_json(script.header.source_faults_json)
    report = ImportReport(script.header.collection, script.header.source, rows).joined(faults)
    report = with_misfits(report, script.misfits)
    return admin_pb2.PublishResult(
        dataset=dataset_to_proto(DATASET),
        published=report.ok and not script.header.dry_run,
        report_json=report.to_json(),
        seconds={"validate": 0.1, "commit": 0.2},
        change=None if script.change is None else change_to_proto(script.change),
        bytes=2048,
    )


def _abort(context: Any, error: GuotuError) -> None:
    code, message, trailing = status_of(error)
    context.set_trailing_metadata(trailing)
    context.abort(code, message)


class CannedNode:
    """The server; `address` is where it listens."""

    def __init__(
        self,
        script: Script,
        socket: Path | None = None,
        more: Iterable[Callable[[grpc.Server], None]] = (),
        record: NodeRecord = NODE,
    ) -> None:
        """Serve as `record` on a free port and, if given, a socket; each of `more` adds a service of its own."""
        self.script = script
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        servicer = CannedServicer(script)
        for module, service in (
            (node_pb2_grpc, "Node"),
            (directory_pb2_grpc, "Directory"),
            (dataset_pb2_grpc, "Dataset"),
            (version_pb2_grpc, "Version"),
            (query_pb2_grpc, "Query"),
            (admin_pb2_grpc, "Admin"),
        ):
            getattr(module, f"add_{service}ServiceServicer_to_server")(servicer, self._server)
        for add in more:
            add(self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        servicer.record = NodeRecord(**{**_fields(record), "address": self.address})
        if socket is not None:
            self._server.add_insecure_port(f"unix:{socket}")
        self._server.start()

    def stop(self) -> None:
        """Stop at once."""
        self._server.stop(None).wait()


def _fields(record: NodeRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in NodeRecord.__slots__}
