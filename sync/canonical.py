"""Canonical JSON (docs/reference/manifest.md): one value, one sequence of bytes."""

from __future__ import annotations

import json

from guotu.model.canonical import canonical_json
from guotu.model.errors import CorruptObject

__all__ = ["canonical_json", "parse_canonical"]


def parse_canonical(name: str, data: bytes) -> dict[str, object]:
    """Read an object written by `canonical_json`; `name` is told in errors.

    Raises:
        CorruptObject: the bytes are not the canonical form of a JSON object.
    """
    try:
        value = json.loads(data.decode("utf-8"))
        again = canonical_json(value)
    except (ValueError, RecursionError) as error:
        raise CorruptObject(object=name, detail=f"not JSON: {error}") from error
    if not isinstance(value, dict) or again != data:
        raise CorruptObject(object=name, detail="not in canonical form")
    return value
