"""Registry records as protobuf.

The `*_from_bytes` functions read what somebody else wrote: they raise ValueError for anything that is not a sound
record, and ignore fields that this software does not know.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from guotu.model.collection import Collection
from guotu.model.definition import collection_from_json, collection_to_json
from guotu.model.division import dataset_id, is_node_id, split_dataset
from guotu.model.records import MAX_ALSO_UNDER, DatasetRecord, Extent, NodeRecord, ReplicaRecord
from guotu.v1 import common_pb2, registry_pb2

M = TypeVar("M", bound=Message)


def _parse(kind: type[M], data: bytes) -> M:
    try:
        return kind.FromString(data)
    except DecodeError as fault:
        raise ValueError(f"not a {kind.__name__}: {fault}") from fault


def extent_to_proto(extent: Extent) -> common_pb2.Extent:
    """Return an extent (degrees, EPSG:4490, lon/lat) for the wire."""
    return common_pb2.Extent(xmin=extent.xmin, ymin=extent.ymin, xmax=extent.xmax, ymax=extent.ymax)


def extent_from_proto(message: common_pb2.Extent) -> Extent:
    """Return an extent (degrees, EPSG:4490, lon/lat) from the wire."""
    return Extent(message.xmin, message.ymin, message.xmax, message.ymax)


def _places(names: Iterable[str]) -> tuple[str, ...]:
    """Return where a node also stands; what is no node id, and more than is allowed, is left out."""
    return tuple(sys.intern(name) for name in islice(names, MAX_ALSO_UNDER) if is_node_id(name))


def node_to_proto(record: NodeRecord) -> registry_pb2.NodeRecord:
    """Return a node's record for the wire."""
    return registry_pb2.NodeRecord(
        node=record.node,
        name=record.name,
        address=record.address,
        instance=record.instance,
        software=record.software,
        started_ms=record.started_ms,
        public_key=record.public_key,
        store=record.store,
        metrics_address=record.metrics_address,
        draining=record.draining,
        reached_through=record.reached_through,
        also_under=record.also_under,
    )


def node_from_proto(message: registry_pb2.NodeRecord) -> NodeRecord:
    """Return a node's record from the wire.

    Raises:
        ValueError: the id is not a node id.
    """
    if not is_node_id(message.node):
        raise ValueError(f"not a node id: {message.node!r}")
    return NodeRecord(
        node=sys.intern(message.node),
        name=message.name,
        address=message.address,
        instance=message.instance,
        software=sys.intern(message.software),
        started_ms=message.started_ms,
        public_key=message.public_key,
        store=sys.intern(message.store),
        metrics_address=message.metrics_address,
        draining=message.draining,
        reached_through=sys.intern(message.reached_through),
        also_under=_places(message.also_under),
    )


def dataset_to_proto(record: DatasetRecord) -> registry_pb2.DatasetRecord:
    """Return a dataset's record for the wire."""
    return registry_pb2.DatasetRecord(
        dataset=record.dataset,
        collection=record.collection,
        node=record.node,
        version=record.version,
        rows=record.rows,
        extent=None if record.extent is None else extent_to_proto(record.extent),
        coverage_wkb=record.coverage_wkb,
        territory_m2=record.territory_m2,
        manifest=record.manifest,
        digest=record.digest,
        published_ms=record.published_ms,
        also_under=record.also_under,
    )


def dataset_from_proto(message: registry_pb2.DatasetRecord) -> DatasetRecord:
    """Return a dataset's record from the wire.

    Raises:
        ValueError: the id is not a dataset id, or not that of the node and collection.
    """
    split_dataset(message.dataset)
    if message.dataset != dataset_id(message.node, message.collection):
        raise ValueError(f"dataset {message.dataset!r} names node {message.node!r}, {message.collection!r}")
    return DatasetRecord(
        dataset=message.dataset,
        collection=sys.intern(message.collection),
        node=sys.intern(message.node),
        version=message.version,
        rows=message.rows,
        extent=extent_from_proto(message.extent) if message.HasField("extent") else None,
        coverage_wkb=message.coverage_wkb,
        territory_m2=message.territory_m2,
        manifest=message.manifest,
        digest=message.digest,
        published_ms=message.published_ms,
        also_under=_places(message.also_under),
    )


def replica_to_proto(record: ReplicaRecord) -> registry_pb2.ReplicaRecord:
    """Return a replica's record for the wire."""
    return registry_pb2.ReplicaRecord(
        dataset=record.dataset,
        node=record.node,
        version=record.version,
        manifest=record.manifest,
        digest=record.digest,
        whole=record.whole,
    )


def replica_from_proto(message: registry_pb2.ReplicaRecord) -> ReplicaRecord:
    """Return a replica's record from the wire.

    Raises:
        ValueError: the ids are not those of a dataset and a node, or the version is negative.
    """
    split_dataset(message.dataset)
    if not is_node_id(message.node):
        raise ValueError(f"not a node id: {message.node!r}")
    if message.version < 0:
        raise ValueError(f"replica of {message.dataset} at version {message.version}")
    return ReplicaRecord(
        dataset=sys.intern(message.dataset),
        node=sys.intern(message.node),
        version=message.version,
        manifest=message.manifest,
        digest=message.digest,
        whole=message.whole,
    )


def collection_to_proto(collection: Collection) -> registry_pb2.CollectionRecord:
    """Return a collection's record for the wire; the definition is canonical JSON."""
    return registry_pb2.CollectionRecord(
        collection=collection.id, edition=collection.edition, definition_json=collection_to_json(collection)
    )


def collection_from_proto(message: registry_pb2.CollectionRecord) -> Collection:
    """Return a collection from the wire.

    Raises:
        ValueError: the definition is not sound, or of another collection.
    """
    collection = collection_from_json(message.definition_json)
    if collection.id != message.collection:
        raise ValueError(f"record of {message.collection!r} defines {collection.id!r}")
    return collection


def node_to_bytes(record: NodeRecord) -> bytes:
    """Return the value of `nodes/<id>`."""
    return node_to_proto(record).SerializeToString(deterministic=True)


def node_from_bytes(data: bytes) -> NodeRecord:
    """Return a node's record from the value of `nodes/<id>`.

    Raises:
        ValueError: it is not a sound record.
    """
    return node_from_proto(_parse(registry_pb2.NodeRecord, data))


def dataset_to_bytes(record: DatasetRecord) -> bytes:
    """Return the value of `datasets/<node>/<collection>`."""
    return dataset_to_proto(record).SerializeToString(deterministic=True)


def dataset_from_bytes(data: bytes) -> DatasetRecord:
    """Return a dataset's record from the value of `datasets/<node>/<collection>`.

    Raises:
        ValueError: it is not a sound record.
    """
    return dataset_from_proto(_parse(registry_pb2.DatasetRecord, data))


def replica_to_bytes(record: ReplicaRecord) -> bytes:
    """Return the value of `replicas/<dataset>/<holder>`."""
    return replica_to_proto(record).SerializeToString(deterministic=True)


def replica_from_bytes(data: bytes) -> ReplicaRecord:
    """Return a replica's record from the value of `replicas/<dataset>/<holder>`.

    Raises:
        ValueError: it is not a sound record.
    """
    return replica_from_proto(_parse(registry_pb2.ReplicaRecord, data))


def collection_to_bytes(collection: Collection) -> bytes:
    """Return the value of `collections/<id>`."""
    return collection_to_proto(collection).SerializeToString(deterministic=True)


def collection_from_bytes(data: bytes) -> Collection:
    """Return a collection from the value of `collections/<id>`.

    Raises:
        ValueError: it is not a sound record.
    """
    return collection_from_proto(_parse(registry_pb2.CollectionRecord, data))
