"""The catalogue in etcd: read it, and set it so that nobody else's change is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import structlog

from guotu.model.collection import Collection
from guotu.model.errors import Conflict
from guotu.wire.records import collection_from_bytes, collection_to_bytes
from registry.catalogue_change import Change, ChangeKind, diff_catalogue
from registry.catalogue_file import CatalogueFile
from registry.etcd import Etcd
from registry.etcd_values import Compare, Delete, Put
from registry.keys import COLLECTIONS, collection_key

_log = structlog.get_logger(__name__)
_MOST_KEYS = 50
_MOST_BYTES = 1 << 20
"""Limits of one transaction; etcd takes 128 operations and 1.5 MiB as it comes."""


@dataclass(frozen=True, slots=True)
class StoredCatalogue:
    """The catalogue in force, and where each record is in etcd's history."""

    collections: tuple[Collection, ...]
    """Sorted by id; records that are not sound are left out."""
    revisions: dict[str, int]
    """Revision of every record, sound or not, by id."""


async def read_catalogue(etcd: Etcd) -> StoredCatalogue:
    """Read the catalogue in force.

    Raises:
        RegistryUnavailable: etcd does not answer.
    """
    collections, revisions = [], {}
    async for page in etcd.pages(COLLECTIONS):
        for pair in page.pairs:
            name = pair.key[len(COLLECTIONS) :].decode(errors="replace")
            revisions[name] = pair.mod_revision
            try:
                collections.append(collection_from_bytes(pair.value))
            except ValueError as fault:
                _log.warning("registry_record_unsound", name=name, fault=str(fault))
    return StoredCatalogue(tuple(collections), revisions)


async def apply_catalogue(
    etcd: Etcd, file: CatalogueFile, prune: bool = False, seen: StoredCatalogue | None = None
) -> list[Change]:
    """Put a file's collections in force; returns what that changed.

    Collections that the file does not have stay, unless `prune`. `seen` is the catalogue that somebody looked at before
    deciding; by default it is read now. A large file takes several transactions; applying it again finishes what was
    broken off.

    Raises:
        Conflict: a record has been changed by somebody else since it was seen.
        RegistryUnavailable: etcd does not answer.
    """
    stored = seen or await read_catalogue(etcd)
    changes = diff_catalogue(stored.collections, file)
    if not prune:
        changes = [change for change in changes if change.kind is not ChangeKind.REMOVED]
    wanted = {item.id: item for item in file.collections}
    operations = [_operation(name, wanted.get(name)) for name in sorted({change.collection for change in changes})]
    for group in _groups(operations):
        conditions = [Compare(item.key, stored.revisions.get(_name(item), 0)) for item in group]
        if not await etcd.transact(conditions, group):
            names = ", ".join(map(_name, group))
            raise Conflict(
                detail=f"目录已被他人修改，请重试 the catalogue was changed by someone else, try again: {names}"
            )
    return changes


def _operation(name: str, collection: Collection | None) -> Put | Delete:
    key = collection_key(name)
    return Delete(key) if collection is None else Put(key, collection_to_bytes(collection))


def _name(operation: Put | Delete) -> str:
    return operation.key[len(COLLECTIONS) :].decode()


def _groups(operations: Iterable[Put | Delete]) -> Iterator[list[Put | Delete]]:
    """Cut operations into groups that etcd takes in one transaction."""
    group: list[Put | Delete] = []
    size = 0
    for operation in operations:
        length = len(operation.value) if isinstance(operation, Put) else 0
        if group and (len(group) >= _MOST_KEYS or size + length > _MOST_BYTES):
            yield group
            group, size = [], 0
        group.append(operation)
        size += length
    if group:
        yield group
