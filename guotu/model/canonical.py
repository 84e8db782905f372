"""Canonical JSON (docs/reference/manifest.md): one value, one sequence of bytes."""

from __future__ import annotations

import json


def canonical_json(value: object) -> bytes:
    """Return the UTF-8 bytes of a value: keys sorted by code point, no spaces, only what JSON must escape escaped.

    Raises:
        ValueError: a number is not finite, or a text is not valid Unicode.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")
