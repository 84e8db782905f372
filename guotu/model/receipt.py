"""Receipts: what a node says of an answer that it gave, in bytes that it signs (docs/reference/receipts.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guotu.model.answer import Completeness, Header, Receipt, Segment, Trailer
from guotu.model.canonical import canonical_json
from guotu.model.question import Question
from guotu.model.question_document import question_document

FORMAT = "guotu-receipt-1"


def statement(question: Question, header: Header, trailer: Trailer, public_key: bytes, time_ms: int) -> bytes:
    """Return what a receipt says, as canonical JSON.

    Args:
        question: as it was asked.
        header: first frame of the answer.
        trailer: its last frame.
        public_key: of the answering node, Ed25519, 32 bytes.
        time_ms: milliseconds since 1970-01-01 UTC.

    Raises:
        TooLarge: the zones of an overlay are.
    """
    return canonical_json(
        {
            "format": FORMAT,
            "node": header.node,
            "public_key": public_key.hex(),
            "request_id": header.request_id,
            "time_ms": time_ms,
            "question": question_document(question),
            **result_document(header, trailer),
        }
    )


def receipt_document(receipt: Receipt) -> dict[str, str]:
    """Return a receipt as JSON: the statement as it was signed, the signature in hex."""
    return {"statement": receipt.statement.decode(), "signature": receipt.signature.hex()}


def receipt_of(document: Mapping[str, Any]) -> Receipt:
    """Return the receipt that a document is; nothing of it is checked.

    Raises:
        KeyError, ValueError: it is none.
    """
    return Receipt(str(document["statement"]).encode(), bytes.fromhex(str(document["signature"])))


def result_document(header: Header, trailer: Trailer) -> dict[str, Any]:
    """Return what an answer is: cut, outcomes, rows and digests; shares are 0 to 1, digests in hex."""
    return {
        "cut": dict(header.cut),
        **outcomes_document(trailer.completeness),
        "rows": trailer.rows,
        "digest": trailer.digest.hex(),
        "segments": [segment_document(segment) for segment in trailer.segments],
    }


def outcomes_document(completeness: Completeness) -> dict[str, Any]:
    """Return who answered and what that stands for; shares are 0 to 1."""
    outcomes = [
        {
            "dataset": member.dataset,
            "outcome": member.outcome,
            "reason": member.reason,
            "version": member.version,
            "replica": member.replica,
            "rows": member.rows,
            "truncated": member.truncated,
        }
        for member in completeness.members
    ]
    return {
        "complete": completeness.complete,
        "outcomes": outcomes,
        "rows_share": completeness.rows_share,
        "territory_share": completeness.territory_share,
        "stale_registry": completeness.stale_registry,
        "directory_as_of_ms": completeness.directory_as_of_ms,
    }


def segment_document(segment: Segment) -> dict[str, Any]:
    """Return a segment, its digest in hex."""
    return {
        "dataset": segment.dataset,
        "version": segment.version,
        "rows": segment.rows,
        "digest": segment.digest.hex(),
    }
