"""What takes seconds of large shapes, done in a thread before anybody looks for it: it would hold up all questions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from shapely.errors import GEOSException

from federation.filter.bind import bind_filter
from guotu.model.collection import Collection
from guotu.model.errors import GuotuError
from guotu.model.question import MAX_FILTER_BYTES, LayerOverlay, Overlay, Query, Question
from guotu.model.surroundings import surroundings


async def draw(question: Question, collection: Callable[[str], Collection]) -> None:
    """Draw in a thread what lies around the shapes of a question, and cut its zones up.

    `surroundings` and the zones keep that for those who bind and plan, who also tell what is wrong with the question.
    """
    for work in _works(question, collection):
        with suppress(GuotuError, GEOSException, ValueError):
            await asyncio.to_thread(work)


def _works(question: Question, collection: Callable[[str], Collection]) -> Iterator[Callable[[], object]]:
    filters = [(question.collection, question.selection.filter)]
    if isinstance(question, LayerOverlay):
        filters.append((question.zones.collection, question.zones.filter))
    for name, text in filters:
        if _has_distances(text):
            yield lambda name=name, text=text: bind_filter(text, collection(name))  # type: ignore[misc]
    if isinstance(question, Overlay):
        yield lambda: question.zones.pieces
    near = question.nearest if isinstance(question, Query) else None
    if near is not None and near.within_m and len(near.wkb) <= MAX_FILTER_BYTES:
        yield partial(surroundings, near.wkb, near.within_m)


def _has_distances(text: str) -> bool:
    """Tell whether a filter may have distances: its JSON may write letters as numbers."""
    return "dwithin" in text.casefold() or "\\u" in text
