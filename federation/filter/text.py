"""CQL2 text and JSON to a plain JSON tree, within bounds."""

from __future__ import annotations

import json
import re
from typing import Any

import cql2

from guotu.model.errors import InvalidFilter, TooLarge
from guotu.model.question import MAX_FILTER_BYTES

MAX_DEPTH = 48
"""Most nested parentheses or JSON levels: the parser recurses, and past some thousands it would end the process."""
MAX_TERMS = 1_000
"""Most AND/OR terms of a text filter."""

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"")
_NEGATION = re.compile(r"\bNOT\b|-\s*(?=-)", re.IGNORECASE)
_JUNCTION = re.compile(r"\b(?:AND|OR)\b|[+*/%^]|-\s", re.IGNORECASE)
_PLACE = re.compile(r"-->\s*(\d+):(\d+)")
_EXPECTED = re.compile(r"=\s*(expected .*)", re.DOTALL)


def parse_filter(text: str) -> Any:
    """Return the CQL2 JSON tree of CQL2 text, or of CQL2 JSON if it begins with "{".

    Raises:
        TooLarge: it is longer than MAX_FILTER_BYTES.
        InvalidFilter: it does not parse, or is nested too deep; `where` is "line L, column C".
    """
    size = len(text.encode())
    if size > MAX_FILTER_BYTES:
        raise TooLarge(what="filter", size=size, limit=MAX_FILTER_BYTES)
    return _parse_json(text) if text.lstrip().startswith("{") else _parse_text(text)


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as failure:
        where = f"line {failure.lineno}, column {failure.colno}"
        raise InvalidFilter(where=where, detail=f"not JSON: {failure.msg}") from failure
    except RecursionError as failure:
        raise InvalidFilter(where="line 1", detail=f"nested deeper than {MAX_DEPTH}") from failure


def _parse_text(text: str) -> Any:
    _check_nesting(text)
    try:
        return cql2.parse_text(text).to_json()
    except cql2.ParseError as failure:
        raise _syntax_error(text, str(failure)) from failure
    except (cql2.ValidationError, ValueError) as failure:
        raise InvalidFilter(where="line 1", detail=str(failure)) from failure


def _check_nesting(text: str) -> None:
    bare = _QUOTED.sub(lambda match: "." * len(match.group()), text)
    depth = 0
    for place, character in enumerate(bare):
        depth += (character in "([") - (character in ")]")
        if depth > MAX_DEPTH:
            raise InvalidFilter(where=f"column {place + 1}", detail=f"nested deeper than {MAX_DEPTH}")
    if len(_NEGATION.findall(bare)) > MAX_DEPTH * 4:
        raise InvalidFilter(where="line 1", detail=f"more than {MAX_DEPTH * 4} negations")
    if len(_JUNCTION.findall(bare)) > MAX_TERMS:
        raise InvalidFilter(where="line 1", detail=f"more than {MAX_TERMS} terms; use IN")


def _syntax_error(text: str, message: str) -> InvalidFilter:
    place = _PLACE.search(message)
    line, column = (int(place.group(1)), int(place.group(2))) if place else (1, 1)
    expected = _EXPECTED.search(message)
    lines = text.splitlines() or [""]
    near = lines[min(line, len(lines)) - 1][column - 1 : column + 19]
    detail = f"near {near!r}: {expected.group(1).strip() if expected else message.strip()}"
    return InvalidFilter(where=f"line {line}, column {column}", detail=detail)
