"""The last good directory on disk, from which a node goes on when etcd is away at its start.

A file of its own format: a line of JSON (format, cluster, revision, as_of_ms, entries), then the entries (table u8,
size of name u16, size of value u32, revision i64, name, value; a dataset's value is packed), then the SHA-256 of all.
A file of a time that knew no replicas has none, and is as good.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from guotu.model.records import NodeRecord, ReplicaRecord
from guotu.wire.records import node_to_bytes, replica_to_bytes
from registry.holdings import Holdings
from registry.keys import COLLECTIONS, NODES, REPLICAS
from registry.packing import packed_revision
from registry.shelf import Shelf

FORMAT = 1
_ENTRY = struct.Struct("<BHIq")
_NODE, _DATASET, _COLLECTION, _REPLICA = range(4)
_PREFIX = {_NODE: NODES, _COLLECTION: COLLECTIONS, _REPLICA: REPLICAS}
_DIGEST_BYTES = 32
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Immutable holdings at one moment."""

    cluster: int
    revision: int
    as_of_ms: int
    nodes: Mapping[str, NodeRecord]
    datasets: Mapping[str, Shelf]
    collections: Mapping[str, bytes]
    replicas: Mapping[str, Mapping[str, ReplicaRecord]]

    @classmethod
    def of(cls, holdings: Holdings, as_of_ms: int) -> Snapshot:
        """Take the holdings as they are now."""
        return cls(
            holdings.cluster,
            holdings.revision,
            as_of_ms,
            holdings.nodes.view(),
            holdings.datasets.view(),
            holdings.collections.view(),
            holdings.replicas.view(),
        )


def save(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot; a crash at any moment leaves the old file or the new one whole.

    Raises:
        OSError: it cannot be written.
    """
    temporary = path.with_name(path.name + ".new")
    digest = hashlib.sha256()
    with temporary.open("wb") as stream:
        for piece in _pieces(snapshot):
            digest.update(piece)
            stream.write(piece)
        stream.write(digest.digest())
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def load(path: Path, holdings: Holdings) -> int:
    """Fill empty holdings from a file; returns its as_of_ms, 0 if there is no sound file (which is logged)."""
    try:
        return _restore(memoryview(path.read_bytes()), holdings)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, struct.error) as fault:
        _log.warning("directory_cache_unreadable", path=str(path), fault=str(fault))
        return 0


def _pieces(snapshot: Snapshot) -> Iterator[bytes]:
    head = {
        "format": FORMAT,
        "cluster": snapshot.cluster,
        "revision": snapshot.revision,
        "as_of_ms": snapshot.as_of_ms,
    }
    yield json.dumps(head).encode() + b"\n"
    for table, name, revision, value in _entries(snapshot):
        encoded = name.encode()
        yield _ENTRY.pack(table, len(encoded), len(value), revision) + encoded + value


def _entries(snapshot: Snapshot) -> Iterable[tuple[int, str, int, bytes]]:
    """Yield (table, name, revision, value); all but datasets at revision 0, so that they are read anew."""
    for node, record in snapshot.nodes.items():
        yield _NODE, node, 0, node_to_bytes(record)
    for collection, value in snapshot.collections.items():
        yield _COLLECTION, collection, 0, value
    for dataset, holders in snapshot.replicas.items():
        for holder, replica in holders.items():
            yield _REPLICA, f"{dataset}/{holder}", 0, replica_to_bytes(replica)
    for collection, shelf in snapshot.datasets.items():
        for node, packed in shelf.packed().items():
            yield _DATASET, f"{node}/{collection}", packed_revision(packed), packed


def _restore(data: memoryview, holdings: Holdings) -> int:
    """Check the whole file, then fill the holdings.

    Raises:
        ValueError: the file is cut short or changed, or of another format.
    """
    body = data[:-_DIGEST_BYTES]
    if hashlib.sha256(body).digest() != data[-_DIGEST_BYTES:]:
        raise ValueError("the checksum does not agree")
    start = bytes(body[:1024]).index(b"\n") + 1
    head = json.loads(bytes(body[:start]))
    if head["format"] != FORMAT:
        raise ValueError(f"format {head['format']} is not {FORMAT}")
    while start < len(body):
        table, name_size, value_size, revision = _ENTRY.unpack_from(body, start)
        middle = start + _ENTRY.size + name_size
        name = bytes(body[start + _ENTRY.size : middle]).decode()
        start = middle + value_size
        _put(holdings, table, name, revision, bytes(body[middle:start]))
    holdings.cluster = int(head["cluster"])
    return int(head["as_of_ms"])


def _put(holdings: Holdings, table: int, name: str, revision: int, value: bytes) -> None:
    if table == _DATASET:
        holdings.datasets.put_packed(name, value)
    else:
        holdings.tables[_PREFIX[table]].put(name, revision, value)
