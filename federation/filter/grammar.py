"""CQL2 text (OGC 21-065r2, annex B) to the tree of CQL2 JSON.

Written by hand, with one look ahead and a counted depth: it takes time in proportion to the text, whatever the text,
and cannot exhaust the stack.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import shapely
from shapely.errors import GEOSException

from federation.filter.tokens import Tokens

MAX_DEPTH = 48
"""Most nested parentheses, negations and functions, or levels of conditions in JSON."""
MAX_OPERANDS = 20_000
"""Most fields and values outside of plain lists, so that reading a filter does not keep the node from its work."""
MAX_TERMS = 1_000
"""Most conditions: engines plan chains of them in more than linear time; IN takes any number of values."""

_COMPARISONS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_RESERVED = frozenset({"AND", "OR", "NOT", "LIKE", "IN", "IS", "NULL", "BETWEEN"})
_WKT = re.compile(
    r"(?:POINT|LINESTRING|POLYGON|MULTIPOINT|MULTILINESTRING|MULTIPOLYGON|GEOMETRYCOLLECTION)\s*(?:ZM|Z|M)?\s*(?=\()",
    re.IGNORECASE,
)
_WKT_DEPTH = 4
_CONSTANTS = {"TRUE": True, "FALSE": False}


def parse_text(text: str) -> Any:
    """Return the tree; a geometry literal stands in it as a shapely geometry.

    Raises:
        InvalidFilter: the text is not CQL2, or is nested deeper than MAX_DEPTH; `where` is "line L, column C".
    """
    return _Parser(text).parse()


class _Parser:
    """Reads one text; each method reads one rule of the grammar and leaves the token after it at hand."""

    def __init__(self, text: str) -> None:
        self._tokens = Tokens(text)
        self._depth = 0
        self._terms = 0
        self._operands = 0

    def parse(self) -> Any:
        """Read the whole text."""
        tree = self._disjunction()
        if self._tokens.kind != "end":
            raise self._tokens.fault("应为 AND、OR 或结尾 AND, OR or the end is expected")
        return tree

    def _nested(self, rule: Callable[[], Any]) -> Any:
        """Read a rule one level deeper."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._tokens.fault(f"嵌套过深 nested deeper than {MAX_DEPTH}")
        tree = rule()
        self._depth -= 1
        return tree

    def _disjunction(self) -> Any:
        return self._chain("OR", self._conjunction)

    def _conjunction(self) -> Any:
        return self._chain("AND", self._negation)

    def _chain(self, word: str, rule: Callable[[], Any]) -> Any:
        parts = [rule()]
        while self._tokens.accept(word):
            parts.append(rule())
        return parts[0] if len(parts) == 1 else {"op": word.lower(), "args": parts}

    def _negation(self) -> Any:
        if self._tokens.accept("NOT"):
            return _not(self._nested(self._negation))
        return self._predicate()

    def _predicate(self) -> Any:
        self._terms += 1
        if self._terms > 2 * MAX_TERMS:  # a field in parentheses counts twice
            raise self._tokens.fault(f"条件过多，请用 IN more than {MAX_TERMS} conditions; use IN")
        left, tokens = self._operand(), self._tokens
        if tokens.kind == "sign" and tokens.value in _COMPARISONS:
            operator = _COMPARISONS[tokens.value]
            tokens.advance()
            return {"op": operator, "args": [left, self._operand()]}
        if tokens.accept("IS"):
            return self._is_null(left)
        if tokens.accept("NOT"):
            return _not(self._matching(left, True))
        return self._matching(left, False)

    def _is_null(self, left: Any) -> Any:
        negated = self._tokens.accept("NOT")
        if not self._tokens.accept("NULL"):
            raise self._tokens.fault("应为 NULL is expected")
        tree = {"op": "isNull", "args": [left]}
        return _not(tree) if negated else tree

    def _matching(self, left: Any, required: bool) -> Any:
        """Read LIKE, BETWEEN or IN; `left` alone if none follows and none is required."""
        tokens = self._tokens
        if tokens.accept("LIKE"):
            return {"op": "like", "args": [left, self._operand()]}
        if tokens.accept("IN"):
            return {"op": "in", "args": [left, self._list()]}
        if tokens.accept("BETWEEN"):
            low = self._operand()
            if not tokens.accept("AND"):
                raise tokens.fault("应为 AND is expected")
            return {"op": "between", "args": [left, low, self._operand()]}
        if required:
            raise tokens.fault("应为 LIKE、BETWEEN 或 IN LIKE, BETWEEN or IN is expected")
        return left

    def _list(self) -> list[Any]:
        """Read one or more operands in parentheses."""
        if plain := self._tokens.take_plain_list():
            return [_literal(value) for value in plain]
        self._tokens.expect("(")
        values = [self._operand()]
        while self._tokens.is_sign(","):
            self._tokens.advance()
            values.append(self._operand())
        self._tokens.expect(")")
        return values

    def _operand(self) -> Any:
        tokens = self._tokens
        self._operands += 1
        if self._operands > MAX_OPERANDS:
            raise tokens.fault(f"more than {MAX_OPERANDS} values; plain lists of texts or numbers may be longer")
        match tokens.kind:
            case "sign" if tokens.value in "(+-":
                return self._group() if tokens.value == "(" else self._signed()
            case "number":
                return self._number("")
            case "text" | "name":
                kind, bare = tokens.kind, _unquoted(tokens.value)
                tokens.advance()
                return bare if kind == "text" else {"property": bare}
            case "word" if tokens.value.upper() not in _RESERVED:
                return self._word()
        raise tokens.fault("应为字段或值 a field or a value is expected")

    def _group(self) -> Any:
        self._tokens.advance()
        tree = self._nested(self._disjunction)
        self._tokens.expect(")")
        return tree

    def _signed(self) -> Any:
        sign = self._tokens.value
        self._tokens.advance()
        if self._tokens.kind != "number":
            raise self._tokens.fault("应为数值 a number is expected")
        return self._number(sign)

    def _number(self, sign: str) -> int | float:
        """Read a number: whole ones exactly, as an int."""
        written = self._tokens.value
        if len(written) > 64:
            raise self._tokens.fault("应为不超过 64 个字符的数值 a number of at most 64 characters is expected")
        self._tokens.advance()
        return int(sign + written) if written.isdecimal() else float(sign + written)

    def _word(self) -> Any:
        tokens = self._tokens
        word, start = tokens.value, tokens.start
        wkt = tokens.take_group(_WKT, _WKT_DEPTH)
        if wkt is not None:
            return self._geometry(wkt, start)
        called = tokens.opens()
        tokens.advance()
        if called:
            return _call(word, self._nested(self._list))
        return _CONSTANTS.get(word.upper(), {"property": word})

    def _geometry(self, wkt: str, start: int) -> Any:
        try:
            return shapely.from_wkt(wkt)
        except GEOSException as failure:
            raise self._tokens.fault(f"不是几何 not a geometry: {failure}", start) from failure


def _unquoted(value: str) -> str:
    quote = value[0]
    return value[1:-1].replace(quote * 2, quote)


def _literal(written: str) -> str | int | float:
    """Return a text or a number; whole ones exactly."""
    if written[0] == "'":
        return _unquoted(written)
    return float(written) if "." in written else int(written)


def _not(tree: Any) -> Any:
    return {"op": "not", "args": [tree]}


def _call(name: str, args: list[Any]) -> Any:
    """Return a function, or the literal that is written like one."""
    match name.upper(), args:
        case ("DATE" | "TIMESTAMP") as kind, [str(text)]:
            return {kind.lower(): text}
        case "BBOX", _:
            return {"bbox": args}
        case "INTERVAL", _:
            return {"interval": args}
    return {"op": name.lower(), "args": args}
