"""Version descriptions to protobuf and back."""

from __future__ import annotations

from guotu.model.records import VersionInfo
from guotu.v1 import version_pb2
from guotu.wire.changes import change_from_proto, change_to_proto


def version_to_proto(info: VersionInfo) -> version_pb2.VersionInfo:
    """Return the wire value."""
    return version_pb2.VersionInfo(
        dataset=info.dataset,
        version=info.version,
        rows=info.rows,
        published_ms=info.published_ms,
        manifest=info.manifest,
        digest=info.digest,
        queryable=info.queryable,
        message=info.message,
        bytes=info.size_bytes,
        series=info.series,
        change=None if info.change is None else change_to_proto(info.change),
        source=info.source,
        source_date=info.source_date,
        pinned=info.pinned,
        base=info.base,
    )


def version_from_proto(info: version_pb2.VersionInfo) -> VersionInfo:
    """Return the model value."""
    return VersionInfo(
        dataset=info.dataset,
        version=info.version,
        rows=info.rows,
        published_ms=info.published_ms,
        manifest=info.manifest,
        digest=info.digest,
        queryable=info.queryable,
        message=info.message,
        size_bytes=info.bytes,
        series=info.series,
        change=change_from_proto(info.change) if info.HasField("change") else None,
        source=info.source,
        source_date=info.source_date,
        pinned=info.pinned,
        base=info.base,
    )
