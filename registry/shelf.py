"""A shelf: the datasets of one collection, packed, unpacked as they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from guotu.model.records import DatasetRecord
from registry.packing import unpack_record


class HotRecords:
    """The unpacked records that all shelves of a directory keep together, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._records: dict[str, tuple[bytes, DatasetRecord]] = {}

    def get(self, dataset: str, packed: bytes) -> DatasetRecord | None:
        """Return the record if it was unpacked from these very bytes."""
        known = self._records.get(dataset)
        return known[1] if known is not None and known[0] is packed else None

    def keep(self, dataset: str, packed: bytes, record: DatasetRecord) -> None:
        """Keep a record; where the limit is reached the oldest go, those in use come back when looked at."""
        if len(self._records) >= self._limit:
            for oldest in list(islice(self._records, 1 + self._limit // 8)):
                del self._records[oldest]
        self._records[dataset] = (packed, record)


class Shelf(Mapping[str, DatasetRecord]):
    """Datasets of one collection by dataset id; immutable.

    Ids come in no order. Iterating over the ids unpacks nothing: who wants few of many looks these up only.
    """

    __slots__ = ("_collection", "_hot", "_packed", "_suffix")

    def __init__(self, collection: str, packed: dict[str, bytes], hot: HotRecords) -> None:
        self._collection = collection
        self._suffix = f"/{collection}"
        self._packed = packed
        self._hot = hot

    def __getitem__(self, dataset: str) -> DatasetRecord:
        if not dataset.endswith(self._suffix):
            raise KeyError(dataset)
        node = dataset[: -len(self._suffix)]
        packed = self._packed[node]
        record = self._hot.get(dataset, packed)
        if record is None:
            record = unpack_record(node, self._collection, packed)
            self._hot.keep(dataset, packed, record)
        return record

    def __iter__(self) -> Iterator[str]:
        suffix = self._suffix
        return (node + suffix for node in self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def packed(self) -> Mapping[str, bytes]:
        """Return the packed records by node id."""
        return self._packed

    def changed(self, changes: Mapping[str, bytes | None]) -> Shelf:
        """Return a shelf with records set (or, where None, removed) by node id; this one stays as it is."""
        packed = self._packed | {node: data for node, data in changes.items() if data is not None}
        for node, data in changes.items():
            if data is None:
                packed.pop(node, None)
        return Shelf(self._collection, packed, self._hot)
