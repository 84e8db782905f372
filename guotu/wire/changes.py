"""What a version changed, to protobuf and back."""

from __future__ import annotations

from guotu.model.records import Change
from guotu.v1 import version_pb2


def change_to_proto(change: Change) -> version_pb2.Change:
    """Return the wire value; areas are ellipsoidal, square metres."""
    return version_pb2.Change(
        inserts=change.inserts,
        updates=change.updates,
        deletes=change.deletes,
        inserted_m2=change.inserted_m2,
        updated_before_m2=change.updated_before_m2,
        updated_after_m2=change.updated_after_m2,
        deleted_m2=change.deleted_m2,
    )


def change_from_proto(message: version_pb2.Change) -> Change:
    """Return the model value."""
    return Change(
        inserts=message.inserts,
        updates=message.updates,
        deletes=message.deletes,
        inserted_m2=message.inserted_m2,
        updated_before_m2=message.updated_before_m2,
        updated_after_m2=message.updated_after_m2,
        deleted_m2=message.deleted_m2,
    )
