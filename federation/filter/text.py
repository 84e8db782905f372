"""CQL2 text and JSON to a plain tree, within bounds."""

from __future__ import annotations

import json
from typing import Any

from federation.filter.grammar import MAX_DEPTH, parse_text
from guotu.model.errors import InvalidFilter, TooLarge
from guotu.model.question import MAX_FILTER_BYTES


def parse_filter(text: str) -> Any:
    """Return the CQL2 JSON tree of CQL2 text, or of CQL2 JSON if it begins with "{".

    Raises:
        TooLarge: it is longer than MAX_FILTER_BYTES.
        InvalidFilter: it does not parse, or is nested too deep; `where` is "line L, column C".
    """
    size = len(text.encode(errors="replace"))
    if size > MAX_FILTER_BYTES:
        raise TooLarge(what="filter", size=size, limit=MAX_FILTER_BYTES)
    tree = _parse_json(text) if text.lstrip().startswith("{") else parse_text(text)
    _require_characters(text, tree)
    return tree


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as failure:
        where = f"line {failure.lineno}, column {failure.colno}"
        raise InvalidFilter(where=where, detail=f"不是 JSON not JSON: {failure.msg}") from failure
    except RecursionError as failure:
        raise InvalidFilter(where="line 1", detail=f"嵌套过深 nested deeper than {MAX_DEPTH}") from failure
    except ValueError as failure:
        raise InvalidFilter(where="line 1", detail="数字位数过多 a number has too many digits") from failure


def _refuse_constant(name: str) -> Any:
    raise InvalidFilter(where="line 1", detail=f"不是 JSON not JSON: {name} is no number")


def _require_characters(text: str, tree: Any) -> None:
    """Half of a surrogate pair, as it is or escaped in JSON, is no character: no wire and no store takes it."""
    try:
        text.encode()
        if "\\u" in text:
            json.dumps(tree, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as failure:
        raise InvalidFilter(
            where="line 1", detail="半个代理对不是字符 half of a surrogate pair is no character"
        ) from failure
    except RecursionError as failure:
        raise InvalidFilter(where="line 1", detail=f"嵌套过深 nested deeper than {MAX_DEPTH}") from failure
