"""What the node can answer from: the datasets that it owns, as it advertises them, and its replicas of others'.

Its own truth, ahead of the registry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from guotu.model.records import DatasetRecord


class Holdings:
    """Head versions of own datasets by collection id, and of whole replicas by dataset id.

    A replica that is limited to an area cannot answer for its dataset, so it has no place here.
    """

    def __init__(self, division: str) -> None:
        self.division = division
        self._records: dict[str, DatasetRecord] = {}
        self._replicas: dict[str, DatasetRecord] = {}

    def records(self) -> Mapping[str, DatasetRecord]:
        """Return the records of own datasets by collection id; immutable."""
        return self._records

    def replicas(self) -> Mapping[str, DatasetRecord]:
        """Return the records of whole replicas by dataset id, each at the version held here; immutable."""
        return self._replicas

    def load(self, records: Iterable[DatasetRecord], replicas: Iterable[DatasetRecord] = ()) -> None:
        """Take the records found at start, of own datasets and of whole replicas."""
        self._records = {record.collection: record for record in records}
        self._replicas = {record.dataset: record for record in replicas}

    def put(self, record: DatasetRecord) -> None:
        """Take the record of a version just published."""
        self._records = {**self._records, record.collection: record}

    def put_replica(self, record: DatasetRecord) -> None:
        """Take the record of the version that a whole replica has just switched to."""
        self._replicas = {**self._replicas, record.dataset: record}

    def drop_replica(self, dataset: str) -> None:
        """Let go of a replica; nothing if there is none."""
        self._replicas = {name: record for name, record in self._replicas.items() if name != dataset}
