"""Holdings: everything the directory has of the registry, and where in etcd's history that is."""

from __future__ import annotations

import structlog

from registry.etcd_values import Event, Header
from registry.keys import COLLECTIONS, DATASETS, NODES, REPLICAS
from registry.replica_table import ReplicaTable
from registry.tables import DatasetTable, Table, ValueTable, node_of

_log = structlog.get_logger(__name__)


class Holdings:
    """Four tables, changed by watch events and by full reads, in any interleaving of the two.

    What is older than what is held changes nothing, so an event may come twice or late.
    """

    def __init__(self, hot_records: int) -> None:
        """Take how many unpacked dataset records are kept."""
        self.nodes = ValueTable(node_of)
        self.datasets = DatasetTable(hot_records)
        self.collections = ValueTable(lambda _, value: value)
        self.replicas = ReplicaTable()
        self.tables: dict[bytes, Table] = {
            NODES: self.nodes,
            DATASETS: self.datasets,
            COLLECTIONS: self.collections,
            REPLICAS: self.replicas,
        }
        self.cluster = 0
        """Id of the etcd cluster whose history this is; 0 for none."""
        self.revision = 0
        """History up to here is in; 0 for none."""
        self._deleted: dict[bytes, int] | None = None

    def __len__(self) -> int:
        return sum(len(table) for table in self.tables.values())

    def apply(self, event: Event) -> None:
        """Take a change of a key, or a pair of a full read."""
        prefix = next((prefix for prefix in self.tables if event.key.startswith(prefix)), None)
        if prefix is None:
            return
        table, name = self.tables[prefix], event.key[len(prefix) :].decode(errors="replace")
        held = table.revision(name)
        if held is not None and held >= event.mod_revision:
            return
        if event.value is None:
            table.drop(name)
            if self._deleted is not None:
                self._deleted[event.key] = event.mod_revision
        elif self._deleted is None or self._deleted.get(event.key, 0) < event.mod_revision:
            self._put(table, name, event.mod_revision, event.value)

    def continues(self, header: Header, asked_at: int) -> bool:
        """Tell whether a header is of the history held; `asked_at` is the revision held when etcd was asked for it.

        A watch may bring revisions above the header's while the answer is on its way: those are no other history.
        """
        return header.cluster == self.cluster and header.revision >= asked_at

    def begin_read(self, header: Header, asked_at: int) -> None:
        """Remember deletions from now on: a full read that began before may still bring what they deleted.

        Where another history has begun (etcd was replaced, or restored from a backup), all revisions held are void.
        `asked_at` is the revision held when etcd was asked for the header.
        """
        if not self.continues(header, asked_at):
            for table in self.tables.values():
                table.forget_revisions()
            self.revision = 0
        self.cluster = header.cluster
        self._deleted = {}

    def end_read(self, revision: int) -> None:
        """Note that history up to `revision` is in."""
        self.revision = max(self.revision, revision)
        self._deleted = None

    def _put(self, table: Table, name: str, revision: int, value: bytes) -> None:
        try:
            table.put(name, revision, value)
        except ValueError as fault:
            _log.warning("registry_record_unsound", name=name, revision=revision, fault=str(fault))
