"""What a question gives that is asked for the sake of another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import pyarrow as pa

from federation.execution.deadline import Deadline
from guotu.model.answer import Batch, Frame, Header, Notice, Trailer
from guotu.model.errors import Internal
from guotu.model.question import Stats

AskStats = Callable[[Stats, float], AsyncIterator[Frame]]
"""Answers a question within so many seconds."""


@dataclass(frozen=True, slots=True)
class Step:
    """A whole answer to one of several questions."""

    header: Header
    rows: pa.Table
    notices: tuple[Notice, ...]
    trailer: Trailer


async def step(ask: AskStats, question: Stats, deadline: Deadline) -> Step:
    """Ask a question and return its answer.

    Raises: as `guotu.model.ports.FeatureQuery.stats`.
    """
    async with aclosing(ask(question, deadline.remaining())) as answer:  # type: ignore[type-var]
        frames = [frame async for frame in answer]
    if not frames or not isinstance(frames[0], Header) or not isinstance(frames[-1], Trailer):
        raise Internal(detail="the answer has no header or no trailer")
    rows = pa.Table.from_batches([frame.rows for frame in frames if isinstance(frame, Batch)], frames[0].schema)
    return Step(frames[0], rows, tuple(frame for frame in frames if isinstance(frame, Notice)), frames[-1])
