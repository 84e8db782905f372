"""The catalogue as a node uses it, and all there is to do with catalogue files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from guotu.model.collection import Collection
from guotu.wire.records import collection_from_bytes
from registry.catalogue_change import Change, ChangeKind, diff_catalogue
from registry.catalogue_file import CatalogueFile, national_catalogue_path, parse_catalogue
from registry.catalogue_store import StoredCatalogue, apply_catalogue, read_catalogue

__all__ = [
    "CatalogueFile",
    "Change",
    "ChangeKind",
    "DirectoryCatalogue",
    "StoredCatalogue",
    "apply_catalogue",
    "diff_catalogue",
    "national_catalogue_path",
    "parse_catalogue",
    "read_catalogue",
]

_log = structlog.get_logger(__name__)


class CollectionRecords(Protocol):
    """Where the records are, `EtcdDirectory` for one."""

    def collections(self) -> Mapping[str, bytes]:
        """Return the collections' records (protobuf) by id; immutable."""


class DirectoryCatalogue:
    """`guotu.model.ports.Catalogue` on a directory; a record is decoded once."""

    def __init__(self, directory: CollectionRecords) -> None:
        self._directory = directory
        self._decoded: dict[str, tuple[bytes, Collection | None]] = {}

    def get(self, collection: str) -> Collection | None:
        """Return a collection; None if there is none, or its record is not sound."""
        record = self._directory.collections().get(collection)
        return None if record is None else self._decode(collection, record)

    def all(self) -> Sequence[Collection]:
        """Return all, sorted by id."""
        records = self._directory.collections()
        decoded = (self._decode(name, records[name]) for name in sorted(records))
        return [item for item in decoded if item is not None]

    def _decode(self, name: str, record: bytes) -> Collection | None:
        known = self._decoded.get(name)
        if known is not None and known[0] is record:
            return known[1]
        collection = None
        try:
            collection = collection_from_bytes(record)
        except ValueError as fault:
            _log.warning("registry_record_unsound", name=name, fault=str(fault))
        self._decoded[name] = (record, collection)
        return collection
