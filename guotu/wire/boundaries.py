"""Boundaries to protobuf and back."""

from __future__ import annotations

from guotu.model.boundary import Boundary
from guotu.v1 import query_pb2
from guotu.wire.questions import cut_to_proto


def boundary_to_proto(boundary: Boundary) -> query_pb2.GetBoundaryResponse:
    """Return the wire value."""
    return query_pb2.GetBoundaryResponse(
        code=boundary.code,
        name=boundary.name,
        wkb=boundary.wkb,
        cut=cut_to_proto(boundary.cut),
        parts=boundary.parts,
    )


def boundary_from_proto(response: query_pb2.GetBoundaryResponse) -> Boundary:
    """Return the model value."""
    return Boundary(response.code, response.name, response.wkb, dict(response.cut.versions), response.parts)
