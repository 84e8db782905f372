"""Canonical JSON (docs/reference/manifest.md): one value, one sequence of bytes."""

from __future__ import annotations

import json

from guotu.model.errors import CorruptObject


def canonical_json(value: object) -> bytes:
    """Return the UTF-8 bytes of a value: keys sorted by code point, no spaces, only what JSON must escape escaped.

    Raises:
        ValueError: a number is not finite, or a text is not valid Unicode.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


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
