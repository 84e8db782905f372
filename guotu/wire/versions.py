"""Version descriptions to protobuf and back."""

from __future__ import annotations

from guotu.model.records import VersionInfo
from guotu.v1 import version_pb2


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
    )
