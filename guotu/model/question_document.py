"""Questions as documents: one question, one JSON value, for fingerprints and receipts (docs/reference/receipts.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any

from guotu.model.question import Options, Page, Question
from guotu.model.zones import Zones

_WITHOUT_BEARING = ("receipt", "relayed", "analyze", "aside")


def question_document(question: Question, **told: Any) -> dict[str, Any]:
    """Return a question's document: its kind and all its parts, by name; the SHA-256 (hex) of what may be large.

    Left out is what has no bearing on the answer: whether a receipt or an analysis is wanted, and whether a node asks.
    What is `told` of parts by name stands in their place.

    Raises:
        TooLarge: the zones of an overlay are.
    """
    return {"kind": type(question).__name__.lower(), **_parts(question, told), **told}


def _parts(value: Any, but: Container[str] = ()) -> dict[str, Any]:
    return {item.name: _document(getattr(value, item.name)) for item in fields(value) if item.name not in but}


def _document(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case date():
            return value.isoformat()
        case bytes():
            return _digest(value) if value else None
        case Zones():
            return {"count": len(value), **_digest(value.encoded())}
        case Page():
            return {"size": value.size, "token": _digest(value.token.encode()) if value.token else None}
        case Options():
            return {name: part for name, part in _parts(value).items() if name not in _WITHOUT_BEARING}
        case Mapping():
            return {str(name): _document(part) for name, part in value.items()}
        case tuple() | list():
            return [_document(part) for part in value]
    if is_dataclass(value):
        return _parts(value)
    raise TypeError(f"no document of a {type(value).__name__}")


def _digest(data: bytes) -> dict[str, str]:
    return {"sha256": hashlib.sha256(data).hexdigest()}
