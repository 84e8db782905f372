"""The datasets that the node owns, as it advertises them: its own truth, ahead of the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from guotu.model.records import DatasetRecord


class Holdings:
    """Head versions of own datasets, by collection id."""

    def __init__(self, division: str) -> None:
        self.division = division
        self._records: dict[str, DatasetRecord] = {}

    def records(self) -> Mapping[str, DatasetRecord]:
        """Return the records by collection id."""
        return self._records

    def load(self, records: Iterable[DatasetRecord]) -> None:
        """Take the records found at start."""
        self._records = {record.collection: record for record in records}

    def put(self, record: DatasetRecord) -> None:
        """Take the record of a version just published."""
        self._records = {**self._records, record.collection: record}
