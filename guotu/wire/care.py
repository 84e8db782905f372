"""The operator's side of `guotu.v1.CareService`: care of stored versions, over the node's local socket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guotu.v1 import care_pb2, care_pb2_grpc
from guotu.wire.connection import LocalClient, request_id

TIMEOUT = 3600.0
"""Deadline of a call in seconds; a verification has none."""


@dataclass(frozen=True, slots=True)
class WorkProgress:
    """How far long work is."""

    stage: str
    done: int
    """Bytes or rows, by stage."""
    total: int
    """0 if not known."""


@dataclass(frozen=True, slots=True)
class DifferingKey:
    """A key whose row is not what it must be."""

    key: str
    how: str
    """"missing", "extra" or "changed"."""


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What a verification found; see VerifyResult in proto/guotu/v1/care.proto."""

    dataset: str
    version: int
    rows: int
    digest: str
    expected: str
    buckets: tuple[int, ...]
    keys: tuple[DifferingKey, ...]
    """At most 1,000."""
    differing: int
    repaired: int
    damaged_objects: tuple[str, ...]
    refetched_objects: int

    @property
    def sound(self) -> bool:
        """True if everything is right now."""
        mended = self.differing == self.repaired and len(self.damaged_objects) == self.refetched_objects
        return self.digest == self.expected and mended


@dataclass(frozen=True, slots=True)
class GarbageReport:
    """What a collection did, or would do; see CollectGarbageResponse in proto/guotu/v1/care.proto."""

    versions: tuple[tuple[str, int], ...]
    """Let go by retention: (dataset, number)."""
    tombstoned: int
    tombstoned_bytes: int
    swept: int
    swept_bytes: int
    waiting: int


class CareClient(LocalClient):
    """A connection to one node's admin socket. When it is closed, a verification under way ends."""

    def __init__(self, socket: Path) -> None:
        super().__init__(socket)
        self._stub = care_pb2_grpc.CareServiceStub(self._channel)

    def verify(self, dataset: str, repair: bool) -> Iterator[WorkProgress | VerifyResult]:
        """Verify a dataset that the node holds; yields progress, then the result.

        Raises:
            UnknownDataset, UnknownVersion, CorruptObject, NodeUnavailable, ...: what the node raised.
        """
        request = care_pb2.VerifyRequest(dataset=dataset, repair=repair)
        call = self._stub.Verify(request, metadata=request_id())
        with self._streaming(call):
            for response in call:
                yield _verify_frame(response)

    def pin(self, dataset: str, version: int, pinned: bool, reason: str = "") -> bool:
        """Pin a version, or let it go; tells whether that changed anything.

        Raises:
            UnknownVersion: the version is not retained.
            NodeUnavailable: no node listens on the socket.
        """
        request = care_pb2.PinVersionRequest(dataset=dataset, version=version, pinned=pinned, reason=reason)
        with self._errors():
            return bool(self._stub.PinVersion(request, timeout=TIMEOUT, metadata=request_id()).changed)

    def collect(self, dry_run: bool) -> GarbageReport:
        """Let versions go, mark and sweep; a dry run only tells what would be done.

        Raises:
            CorruptObject: a manifest cannot be read, so that nobody knows what is needed.
            NodeUnavailable: no node listens on the socket.
        """
        request = care_pb2.CollectGarbageRequest(dry_run=dry_run)
        with self._errors():
            response = self._stub.CollectGarbage(request, timeout=TIMEOUT, metadata=request_id())
        return GarbageReport(
            versions=tuple((item.dataset, item.version) for item in response.versions),
            tombstoned=response.tombstoned,
            tombstoned_bytes=response.tombstoned_bytes,
            swept=response.swept,
            swept_bytes=response.swept_bytes,
            waiting=response.waiting,
        )


def _verify_frame(response: care_pb2.VerifyResponse) -> WorkProgress | VerifyResult:
    if response.WhichOneof("frame") == "progress":
        progress = response.progress
        return WorkProgress(progress.stage, progress.done, progress.total)
    result = response.result
    return VerifyResult(
        dataset=result.dataset,
        version=result.version,
        rows=result.rows,
        digest=result.digest,
        expected=result.expected,
        buckets=tuple(result.buckets),
        keys=tuple(DifferingKey(item.key, item.how) for item in result.keys),
        differing=result.differing,
        repaired=result.repaired,
        damaged_objects=tuple(result.damaged_objects),
        refetched_objects=result.refetched_objects,
    )
