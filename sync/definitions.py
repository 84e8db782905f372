"""Definitions in an object store: each version can be read with the definition that it was published with."""

from __future__ import annotations

from guotu.model.collection import Collection
from guotu.model.definition import collection_from_json, collection_to_json
from guotu.model.errors import CorruptObject
from guotu.model.ports import ObjectStore
from sync.definition import definition_hash


def definition_key(digest: str) -> str:
    """Return the key of the definition with that hash."""
    return f"definitions/{digest}.json"


async def put_definition(objects: ObjectStore, collection: Collection) -> str:
    """Keep a collection's definition under its hash, which is returned. One that is there already stays."""
    digest = definition_hash(collection)
    await objects.put_if_absent(definition_key(digest), collection_to_json(collection))
    return digest


async def get_definition(objects: ObjectStore, digest: str) -> Collection:
    """Return the collection with that definition hash.

    Raises:
        CorruptObject: it is missing, or not a definition with that hash.
    """
    found = await objects.get(definition_key(digest))
    if found is None:
        raise CorruptObject(object=definition_key(digest), detail="missing")
    return parse_definition(digest, found[0])


def parse_definition(digest: str, data: bytes) -> Collection:
    """Read a definition that came under that hash.

    Raises:
        CorruptObject: it is not a definition, or one with another hash.
    """
    try:
        collection = collection_from_json(data)
    except ValueError as error:
        raise CorruptObject(object=definition_key(digest), detail=str(error)) from error
    if definition_hash(collection) != digest:
        raise CorruptObject(object=definition_key(digest), detail="the definition has another hash")
    return collection
