"""Which nodes hold replicas of which datasets, as the directory keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from guotu.model.records import ReplicaRecord
from guotu.wire.records import replica_from_bytes

_Holders = Mapping[str, ReplicaRecord]


class ReplicaTable:
    """The replicas by name ("<dataset>/<holder>"); what readers see is copied after a change, dataset by dataset."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[int, ReplicaRecord]] = {}
        self._view: dict[str, _Holders] = {}
        self._changes: dict[str, dict[str, ReplicaRecord | None]] = {}

    def put(self, name: str, revision: int, value: bytes) -> None:
        """Set a replica; ValueError for an unsound value."""
        record = replica_from_bytes(value)
        if f"{record.dataset}/{record.node}" != name:
            raise ValueError(f"replica {record.dataset!r} at {record.node!r} stands under the key of {name!r}")
        self._rows[name] = (revision, record)
        self._changes.setdefault(record.dataset, {})[record.node] = record

    def drop(self, name: str) -> None:
        """Remove a replica."""
        row = self._rows.pop(name, None)
        if row is not None:
            self._changes.setdefault(row[1].dataset, {})[row[1].node] = None

    def revision(self, name: str) -> int | None:
        """Return a replica's revision."""
        row = self._rows.get(name)
        return None if row is None else row[0]

    def names(self) -> Iterator[str]:
        """Yield all names."""
        return iter(list(self._rows))

    def forget_revisions(self) -> None:
        """Set all revisions to 0."""
        self._rows = {name: (0, record) for name, (_, record) in self._rows.items()}

    def __len__(self) -> int:
        return len(self._rows)

    def view(self) -> Mapping[str, _Holders]:
        """Return the replicas by dataset, then by holder, as they are now; immutable."""
        if self._changes:
            view = dict(self._view)
            for dataset, changes in self._changes.items():
                holders = _changed(view.pop(dataset, {}), changes)
                if holders:
                    view[dataset] = holders
            self._view, self._changes = view, {}
        return self._view


def _changed(holders: _Holders, changes: Mapping[str, ReplicaRecord | None]) -> _Holders:
    merged = {**holders, **changes}
    return {node: record for node, record in merged.items() if record is not None}
