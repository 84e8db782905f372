"""What an answer was put together from, as it stands in its account (docs/reference/receipts.md)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from guotu.model.answer import SignedPart, Whole
from guotu.model.receipt import receipt_document, receipt_of
from guotu.overlays.parts import MOST_BYTES

_DEEPEST = 2
_CODEC = "zstd"


def whole_document(whole: Whole) -> dict[str, Any]:
    """Return it as JSON; groups are compressed (zstd) and in base64."""
    return {"statement": whole.statement.decode(), "parts": [_part_document(part) for part in whole.parts]}


def _part_document(part: SignedPart | None) -> dict[str, Any] | None:
    if part is None:
        return None
    signed = part.signed
    told = {"whole": whole_document(signed)} if isinstance(signed, Whole) else receipt_document(signed)
    if not part.groups:
        return told
    packed = pa.compress(part.groups, codec=_CODEC, asbytes=True)
    return {**told, "groups": {"bytes": len(part.groups), _CODEC: base64.b64encode(packed).decode()}}


def whole_of(document: Mapping[str, Any], deepest: int = _DEEPEST) -> Whole:
    """Return what a document tells; nothing of it is checked but its size.

    Raises:
        KeyError, TypeError, ValueError: it tells nothing of the kind.
    """
    if not deepest:
        raise ValueError("wholes of wholes of wholes")
    parts = tuple(None if part is None else _part_of(part, deepest) for part in document["parts"])
    if sum(len(part.groups) for part in parts if part is not None) > MOST_BYTES:
        raise ValueError(f"groups > {MOST_BYTES} bytes")
    return Whole(str(document["statement"]).encode(), parts)


def _part_of(document: Mapping[str, Any], deepest: int) -> SignedPart:
    if "whole" in document:
        return SignedPart(whole_of(document["whole"], deepest - 1))
    groups = document.get("groups")
    return SignedPart(receipt_of(document), b"" if groups is None else _unpacked(groups))


def _unpacked(document: Mapping[str, Any]) -> bytes:
    size = int(document["bytes"])
    if not 0 < size <= MOST_BYTES:
        raise ValueError(f"groups of {size} bytes")
    packed = base64.b64decode(str(document[_CODEC]), validate=True)
    try:
        unpacked: bytes = pa.decompress(packed, decompressed_size=size, codec=_CODEC, asbytes=True)
    except OSError as failure:
        raise ValueError(str(failure)) from failure
    return unpacked
