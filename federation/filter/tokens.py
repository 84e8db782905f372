"""The tokens of CQL2 text (OGC 21-065r2, annex B), one at a time."""

from __future__ import annotations

import re

from guotu.model.errors import InvalidFilter

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<word>[^\W\d][\w.:]*)
    | (?P<name>"[^"]*(?:""[^"]*)*")
    | (?P<text>'[^']*(?:''[^']*)*')
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<sign><>|!=|<=|>=|[=<>(),+-])
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_PLAIN_VALUE = re.compile(r"'[^']*+(?:''[^']*+)*+'|[+-]?\d{1,18}+(?:\.\d{0,18}+)?(?![\w.])")
_PLAIN_LIST = re.compile(rf"\(\s*+(?:(?:{_PLAIN_VALUE.pattern})\s*+,\s*+)*+(?:{_PLAIN_VALUE.pattern})\s*+\)")
_BLANK = re.compile(r"\s*")
_PARENTHESIS = re.compile(r"[()]")
_EXCERPT = 20


class Tokens:
    """The token at hand: `kind` is word, name, text, number, sign or end; `value` as written, `start` its offset."""

    def __init__(self, text: str) -> None:
        """Read the first token.

        Raises:
            InvalidFilter: there is something that is no token.
        """
        self._text = text
        self.kind, self.value, self.start, self._stop = "", "", 0, 0
        self.advance()

    def advance(self) -> None:
        """Go to the next token.

        Raises:
            InvalidFilter: there is something that is no token.
        """
        match = _TOKEN.match(self._text, self._stop)
        if match is None:
            self.start = _end_of(_BLANK, self._text, self._stop)
            quoted = self._text[self.start] in "'\""
            raise self.fault("引号未闭合 the quote is not closed" if quoted else "此处不允许 this cannot stand here")
        self.kind = match.lastgroup or "end"
        self.value, self.start, self._stop = match[self.kind], match.start(self.kind), match.end()

    def is_word(self, word: str) -> bool:
        """Tell whether the token at hand is a keyword (given in upper case)."""
        return self.kind == "word" and self.value.upper() == word

    def accept(self, word: str) -> bool:
        """Step over a keyword if it is at hand."""
        found = self.is_word(word)
        if found:
            self.advance()
        return found

    def is_sign(self, sign: str) -> bool:
        """Tell whether the token at hand is a sign."""
        return self.kind == "sign" and self.value == sign

    def expect(self, sign: str) -> None:
        """Step over a sign.

        Raises:
            InvalidFilter: something else is at hand.
        """
        if not self.is_sign(sign):
            raise self.fault(f"应为 {sign!r} is expected")
        self.advance()

    def opens(self) -> bool:
        """Tell whether a parenthesis follows the token at hand."""
        return self._text.startswith("(", _end_of(_BLANK, self._text, self._stop))

    def take_plain_list(self) -> list[str]:
        """Step over a list of nothing but texts and plain numbers, at once; returns them as written.

        Returns nothing, and stays, if another kind of list is at hand.
        """
        match = _PLAIN_LIST.match(self._text, self.start)
        if match is None:
            return []
        self._stop = match.end()
        self.advance()
        return _PLAIN_VALUE.findall(match[0])

    def take_group(self, head: re.Pattern[str], depth: int) -> str | None:
        """Step over `head`, which begins at the token at hand and ends before a parenthesis, and over what that holds.

        Returns the text of both; None, and stays, if `head` does not match.

        Raises:
            InvalidFilter: it is not closed, or nested deeper than `depth`.
        """
        match = head.match(self._text, self.start)
        if match is None:
            return None
        level = 0
        for parenthesis in _PARENTHESIS.finditer(self._text, match.end()):
            level += 1 if parenthesis[0] == "(" else -1
            if level == 0:
                self._stop = parenthesis.end()
                taken = self._text[self.start : self._stop]
                self.advance()
                return taken
            if level > depth:
                break
        raise self.fault(
            "括号未闭合 its parentheses are not closed" if level <= depth else f"嵌套过深 nested deeper than {depth}"
        )

    def fault(self, expected: str, start: int | None = None) -> InvalidFilter:
        """Return the error for the token at hand, or for an offset."""
        offset = self.start if start is None else start
        line = self._text.count("\n", 0, offset) + 1
        column = offset - self._text.rfind("\n", 0, offset)
        near = self._text[offset : offset + _EXCERPT].partition("\n")[0]
        found = f"附近 near {near!r}" if near else "末尾 at the end"
        return InvalidFilter(where=f"line {line}, column {column}", detail=f"{found}: {expected}")


def _end_of(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start
