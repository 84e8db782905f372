"""Keys of the registry in etcd, all under `/guotu/v1/`."""

from __future__ import annotations

from guotu.model.division import is_node_id, split_dataset

ROOT = b"/guotu/v1/"
NODES = ROOT + b"nodes/"
"""`nodes/<id>`, a NodeRecord on the node's lease."""
DATASETS = ROOT + b"datasets/"
"""`datasets/<node>/<collection>`, a DatasetRecord that persists."""
COLLECTIONS = ROOT + b"collections/"
"""`collections/<id>`, a CollectionRecord that persists."""
REPLICAS = ROOT + b"replicas/"
"""`replicas/<dataset>/<holder>`, a ReplicaRecord on the holder's lease."""
PREFIXES = (NODES, DATASETS, COLLECTIONS, REPLICAS)


def node_key(node: str) -> bytes:
    """Return the key of a node's record."""
    return NODES + node.encode()


def dataset_key(dataset: str) -> bytes:
    """Return the key of a dataset's record; `dataset` is "<node>/<collection>".

    Raises:
        ValueError: it is not a dataset id.
    """
    split_dataset(dataset)
    return DATASETS + dataset.encode()


def collection_key(collection: str) -> bytes:
    """Return the key of a collection's record."""
    return COLLECTIONS + collection.encode()


def replica_key(dataset: str, holder: str) -> bytes:
    """Return the key of a node's replica of a dataset.

    Raises:
        ValueError: they are not a dataset id and a node id.
    """
    split_dataset(dataset)
    if not is_node_id(holder):
        raise ValueError(f"not a node id: {holder!r}")
    return REPLICAS + f"{dataset}/{holder}".encode()


def prefix_end(prefix: bytes) -> bytes:
    """Return the first key after all keys that begin with `prefix` (which does not end in 0xff)."""
    return prefix[:-1] + bytes([prefix[-1] + 1])
