"""Page tokens: which question, at which cut, after which row. They hold all that is needed; no node keeps anything.

A token is base64url of eight bytes of SHA-256 and, deflated, canonical JSON: `q`, the fingerprint of question and node;
`c`, the cut; `o` and `v`, owner and values of the last row. It is no secret and gives no rights: what it says could be
asked without it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from guotu.model.canonical import canonical_json
from guotu.model.collection import Collection, FieldType
from guotu.model.division import is_node_id, split_dataset
from guotu.model.errors import InvalidQuestion, TooLarge
from guotu.model.expression import Scalar
from guotu.model.grouping import require_field
from guotu.model.question import MAX_PAGE_TOKEN, CompletenessMode, Cut, Position, Query, SortKey
from guotu.model.question_document import question_document

_CHECK_BYTES = 8
_MOST_BYTES = 16 << 20
"""Of a token's content: what may come out of a small one must be bounded too."""
_KINDS: dict[FieldType, tuple[type, ...]] = {
    FieldType.TEXT: (str,),
    FieldType.INTEGER: (int,),
    FieldType.DECIMAL: (float, int),
    FieldType.DOUBLE: (float, int),
    FieldType.BOOLEAN: (bool,),
    FieldType.DATE: (str,),
}


def fingerprint(query: Query, node: str) -> str:
    """Return what tells a question to a node from others: all pages of one have it in common.

    The size of pages and whether members may be missing can be another for each page.
    """
    options = replace(query.options, completeness=CompletenessMode.REQUIRE_ALL, receipt=False)
    asked = question_document(replace(query, page=None, limit=0, options=options))
    return hashlib.sha256(canonical_json({"node": node, "question": asked})).hexdigest()


@dataclass(frozen=True, slots=True)
class PageToken:
    """What a token says."""

    fingerprint: str
    cut: Cut
    after: Position

    def encoded(self) -> str:
        """Return the token.

        Raises:
            TooLarge: the cut or the values of the last row are.
        """
        values = [value.isoformat() if isinstance(value, date) else value for value in self.after.values]
        content = {"q": self.fingerprint, "c": dict(self.cut), "o": self.after.owner, "v": values}
        data = zlib.compress(canonical_json(content), 9)
        token = _text(_check(data) + data)
        if len(token) > MAX_PAGE_TOKEN:
            raise TooLarge(what="page token", size=len(token), limit=MAX_PAGE_TOKEN)
        return token

    @classmethod
    def read(cls, token: str, fingerprint: str, order: Sequence[SortKey], collection: Collection) -> PageToken:
        """Read a token of a question that has this fingerprint and order.

        Raises:
            InvalidQuestion: it is no token, is damaged, or is one of another question or node.
            TooLarge: it is longer than a token can be.
        """
        if len(token) > MAX_PAGE_TOKEN:
            raise TooLarge(what="page token", size=len(token), limit=MAX_PAGE_TOKEN)
        content = _content(token)
        if content.get("q") != fingerprint:
            raise _refused("不是这个问题或这个节点的 it is one of another question, or of another node")
        try:
            cut = {_dataset(name): _version(version) for name, version in content["c"].items()}
            values = zip(order, content["v"], strict=True)
            after = Position(_node(content["o"]), tuple(_value(collection, key, value) for key, value in values))
        except (KeyError, TypeError, ValueError, AttributeError) as failure:
            raise _refused(f"内容有误 what it says cannot be: {failure}") from failure
        return cls(fingerprint, cut, after)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _check(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_CHECK_BYTES]


def _content(token: str) -> dict[str, Any]:
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        check, data = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        if check != _check(data) or _text(raw) != token:
            raise ValueError("its checksum does not hold")
        inflating = zlib.decompressobj()
        text = inflating.decompress(data, _MOST_BYTES)
        if inflating.unconsumed_tail:
            raise ValueError("it is too long")
        content = json.loads(text)
    except (ValueError, zlib.error, RecursionError) as failure:
        raise _refused(f"须照抄上一页所给的 it must be copied whole from the page before: {failure}") from failure
    if not isinstance(content, dict):
        raise _refused("须照抄上一页所给的 it must be copied whole from the page before")
    return content


def _refused(detail: str) -> InvalidQuestion:
    return InvalidQuestion(part="page", detail=detail)


def _node(name: object) -> str:
    if not isinstance(name, str) or not is_node_id(name):
        raise ValueError(f"{name!r} is no node")
    return name


def _dataset(name: str) -> str:
    split_dataset(name)
    return name


def _version(number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{number!r} is no version")
    return number


def _value(collection: Collection, key: SortKey, value: object) -> Scalar | None:
    field = require_field(collection, key.field)
    if value is None and field.name != collection.key:
        return None
    kinds = _KINDS[field.type]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(f"{field.name} is {field.type}")
    if field.type is FieldType.DATE:
        return date.fromisoformat(str(value))
    return float(value) if float in kinds else value  # type: ignore[arg-type, return-value]
