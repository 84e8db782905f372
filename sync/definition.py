"""Definition hash of a collection: equal for catalogues that mean the same rows."""

from __future__ import annotations

import hashlib

from guotu.model.collection import Collection, Field
from sync.canonical import canonical_json


def definition_hash(collection: Collection) -> str:
    """Return the SHA-256, hex, of what rows of a collection look like: key, geometry type and fields.

    Titles, notes, secrecy and sources may change without a new definition.
    """
    definition = {
        "fields": [_field(item) for item in collection.fields],
        "geometry": str(collection.geometry),
        "id": collection.id,
        "key": collection.key,
    }
    return hashlib.sha256(canonical_json(definition)).hexdigest()


def _field(item: Field) -> dict[str, object]:
    return {
        "codes": item.codes,
        "decimals": item.decimals,
        "length": item.length,
        "name": item.name,
        "nullable": item.nullable,
        "type": str(item.type),
        "unit": item.unit,
        "width": item.width,
    }
