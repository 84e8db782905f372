"""One page of a retrieval, from the question to the token of the next one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from federation.paging.order import page_order
from federation.paging.token import PageToken, fingerprint
from guotu.model.collection import Collection
from guotu.model.question import Cut, Page, Position, Query


@dataclass(frozen=True, slots=True)
class Opened:
    """A page that was asked for by a client."""

    query: Query
    """What is to be answered: the rows after the page before, at its cut."""
    fingerprint: str

    def token(self, cut: Cut, rows: int, last: Position | None) -> str:
        """Return the token of the next page; empty if this one is not full, for then it is the last.

        Args:
            cut: of the answer.
            rows: in it.
            last: where its last row stands.

        Raises:
            TooLarge: cut or values are, for a token.
        """
        if last is None or rows < self.query.limit:
            return ""
        return PageToken(self.fingerprint, cut, last).encoded()


def opened(query: Query, page: Page, collection: Collection, node: str) -> Opened:
    """Return a page as it is to be answered by a node.

    Raises:
        InvalidQuestion, TooLarge: its token is none of this question's.
    """
    mark, options, after = fingerprint(query, node), query.options, page.after
    if page.token:
        told = PageToken.read(page.token, mark, page_order(query, collection), collection)
        options, after = replace(options, cut=told.cut, closed=True), told.after
    return Opened(replace(query, limit=page.size, options=options, page=replace(page, after=after)), mark)
