"""Attempt: what is to be published, and how that ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from guotu.model.collection import Collection
from guotu.model.records import Change, DatasetRecord
from sync.manifest import Manifest

INSERT_OF_EXISTING = "insert_of_existing"
UPDATE_OF_MISSING = "update_of_missing"
DELETE_OF_MISSING = "delete_of_missing"
BEFORE_DIFFERS = "before_differs"
CHANGED_AND_DELETED = "changed_and_deleted"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A publish: a whole layer, or an increment."""

    dataset: str
    collection: Collection
    spool: Path
    """Arrow IPC file with `arrow_schema(collection)`, validated, EPSG:4490 lon/lat: all rows, or new states of some."""
    message: str
    source: str
    write_id: str
    """Random; a publish that asks again with the one of the head is told of the head."""
    notes: Mapping[str, int | str] = field(default_factory=dict)
    source_date: str = ""
    """ISO 8601; empty if not told."""
    increment: bool = False
    deletes: Path | None = None
    """Arrow IPC file of an increment's deletes: the key, and any fields with stated before-values."""
    stated: Path | None = None
    """Arrow IPC file, one row a row of the spool, in its order: `_op` (int8: 1 insert, 2 update, null not stated) and
    any fields with stated before-values (null: not stated)."""
    new_series: bool = False
    expected_head: str = ""
    """Manifest (SHA-256, hex) of the head that an increment was found against; empty for any."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Misfit:
    """Where an increment does not fit the head."""

    kind: str
    """insert_of_existing, update_of_missing, delete_of_missing, before_differs or changed_and_deleted."""
    key: str
    field: str = ""
    """Of a before-value that differs."""
    stated: str = ""
    present: str = ""
    """Empty for null."""


@dataclass(frozen=True, slots=True)
class PublishOutcome:
    """How a publish ended."""

    manifest: Manifest | None
    """Of the head: the new version, or the one there was if nothing was published; None if there is none."""
    record: DatasetRecord | None
    published: bool
    """False if nothing changed, if there are misfits, or if only the change was to be found out."""
    seconds: dict[str, float]
    """By stage: digest, compare, layout, write, load, commit."""
    change: Change | None
    """Against the head; None if there was none, a new series begins, or there are misfits."""
    size_bytes: int = 0
    """Of the version's delta, or of its base if it has no delta."""
    misfits: tuple[Misfit, ...] = ()
    """The first 10,000; nothing is published if there is any."""
