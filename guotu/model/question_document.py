"""Questions as documents: one question, one JSON value, for fingerprints and receipts (docs/reference/receipts.md)."""

from __future__ import annotations

import hashlib
from typing import Any

from guotu.model.question import Options, Overlay, Query, Question, Selection, Stats


def question_document(question: Question) -> dict[str, Any]:
    """Return a question's document; of what may be large, the SHA-256 (hex) stands in it.

    Raises:
        TooLarge: the zones of an overlay are.
    """
    document: dict[str, Any] = {
        "collection": question.collection,
        "selection": _selection(question.selection),
        "options": _options(question.options),
    }
    match question:
        case Query():
            return {"kind": "query", **document, **_query(question)}
        case Stats():
            aggregates = [[item.function, item.field, item.alias] for item in question.aggregates]
            return {"kind": "stats", **document, **_grouped(question), "aggregates": aggregates, "top": question.top}
        case Overlay():
            zones = {"count": len(question.zones), "sha256": _sha256(question.zones.encoded())}
            return {"kind": "overlay", **document, **_grouped(question), "shares": question.shares, "zones": zones}


def _grouped(question: Stats | Overlay) -> dict[str, Any]:
    return {"group_by": list(question.group_by)}


def _query(query: Query) -> dict[str, Any]:
    page, nearest = query.page, query.nearest
    return {
        "fields": list(query.fields),
        "sort": [[key.field, key.descending] for key in query.sort],
        "limit": query.limit,
        "crs": query.crs,
        "nearest": None if nearest is None else {"wkb_sha256": _sha256(nearest.wkb), "within_m": nearest.within_m},
        "page": None if page is None else {"size": page.size, "token_sha256": _sha256(page.token.encode())},
    }


def _selection(selection: Selection) -> dict[str, Any]:
    box = selection.bbox
    return {
        "filter": selection.filter,
        "bbox": None if box is None else [box.xmin, box.ymin, box.xmax, box.ymax],
        "within_sha256": _sha256(selection.within) if selection.within else "",
        "division": selection.division,
        "boundary": selection.boundary,
    }


def _options(options: Options) -> dict[str, Any]:
    return {
        "scope": options.scope,
        "completeness": options.completeness,
        "cut": dict(options.cut),
        "closed": options.closed,
        "dataset": options.dataset,
    }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
