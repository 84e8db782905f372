"""The end of an answer to a client: the token of the next page, and the receipt."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from federation.execution.members import Work
from federation.execution.retrieval import Retrieval
from federation.notary import Notary
from federation.paging.pages import Opened
from guotu.model.answer import Frame, Header, Trailer
from guotu.model.question import Overlay, Question

_MANY = 200
"""Members whose outcomes are written down in a thread."""


@dataclass(slots=True)
class Ending:
    """Completes the last frame of one answer."""

    asked: Question
    """As it was asked."""
    page: Opened | None
    """None for all rows, and between nodes."""
    notary: Notary | None
    """None where nobody gives receipts."""
    _header: Header | None = None

    async def of(self, frame: Frame, work: Work | None = None) -> Frame:
        """Return a frame of the answer as it goes out; `work` tells where a page ended."""
        if isinstance(frame, Header):
            self._header = frame
        if not isinstance(frame, Trailer) or self._header is None:
            return frame
        if self.page is not None and isinstance(work, Retrieval):
            frame = replace(frame, next_page=self.page.token(self._header.cut, frame.rows, work.last))
        if self.notary is None or not self.asked.options.receipt:
            return frame
        asked, header = self.asked, self._header
        if isinstance(asked, Overlay) or len(frame.completeness.members) > _MANY:  # which takes milliseconds
            return replace(frame, receipt=await asyncio.to_thread(self.notary.receipt, asked, header, frame))
        return replace(frame, receipt=self.notary.receipt(asked, header, frame))
