"""Before: the head that a publish goes on from, and what form the next version takes."""

from __future__ import annotations

from dataclasses import dataclass

from guotu.model.collection import Collection
from guotu.model.errors import IncompatibleSchema
from guotu.model.evolution import evolve
from guotu.model.ports import ObjectStore
from guotu.model.schema import arrow_type
from sync.attempt import Attempt
from sync.definition import definition_hash
from sync.definitions import get_definition
from sync.manifest import Manifest
from sync.pointer import Head, read_head
from sync.signed import get_manifest


@dataclass(frozen=True, slots=True)
class Before:
    """A head, its manifest and the definition that it was published with."""

    head: Head
    manifest: Manifest
    collection: Collection


@dataclass(frozen=True, slots=True)
class Form:
    """What a version is made of."""

    series: int = 1
    delta: bool = False
    """True if it has a delta: series and definition are those of the version before."""
    compares: bool = False
    """True if what it changes can be told against the version before."""


async def read_before(objects: ObjectStore, dataset: str) -> Before | None:
    """Return the head of a dataset; None if it has none.

    Raises:
        CorruptObject: the head, its manifest or its definition is missing or damaged.
    """
    head = await read_head(objects, dataset)
    if head is None:
        return None
    manifest = (await get_manifest(objects, head.pointer.manifest)).manifest
    return Before(head, manifest, await get_definition(objects, manifest.definition))


def form_of(attempt: Attempt, before: Before | None) -> Form:
    """Return the form of the version that an attempt would make.

    Raises:
        IncompatibleSchema: its definition breaks with the head's and no new series is asked for, or it is an
            increment, which cannot begin a series or change the definition.
    """
    if before is None:
        return Form()
    series, same = before.manifest.series, before.manifest.definition == definition_hash(attempt.collection)
    if attempt.increment and (attempt.new_series or not same):
        detail = "增量不能改变结构，请发布整个图层 an increment cannot change it; publish the whole layer"
        raise IncompatibleSchema(dataset=attempt.dataset, detail=detail)
    if attempt.new_series:
        return Form(series + 1)
    if same:
        return Form(series, delta=True, compares=True)
    breaks = evolve(before.collection, attempt.collection).breaks
    if breaks:
        raise IncompatibleSchema(dataset=attempt.dataset, detail="; ".join(breaks))
    return Form(series, compares=_key_type(before.collection) == _key_type(attempt.collection))


def _key_type(collection: Collection) -> object:
    return next(arrow_type(item) for item in collection.fields if item.name == collection.key)
