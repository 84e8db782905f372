"""Overlays of more zones than one request takes: asked in several, told as one answer.

Each run of zones is a question of its own, with a deadline of its own, at the versions that the first was answered
from; so memory at the nodes does not grow with the number of zones. The answers follow each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from guotu.model.answer import Completeness, Frame, Header, MemberOutcome, Outcome, Trailer, Whole
from guotu.model.digest import result_digest
from guotu.model.errors import GuotuError
from guotu.model.question import Overlay
from guotu.model.question_document import question_document
from guotu.model.records import DatasetRecord
from guotu.model.whole import IN_ORDER, mark, runs_document, statement
from guotu.model.zones import Zones
from guotu.overlays.large import Ask, LargeZone
from guotu.overlays.parts import Parts

Known = Callable[[], Iterable[DatasetRecord]]


def in_runs(question: Overlay, ask: Ask, datasets: Known) -> Iterator[Frame]:
    """Yield the frames of one answer to an overlay, however many zones it has, and however large they are.

    The header is that of the first run; the trailer tells of all, its digest is over their segments in order. A zone
    that is too large for a request is asked about dataset by dataset; `datasets` returns those in the question's scope.

    Raises:
        TooLarge: what one dataset has to know of a zone is too large for a request.
        what `ask` raises, after a trailer that tells of the runs up to then, if there was any.
    """
    runs = list(question.zones.runs())
    said = _said(question, runs) if len(runs) > 1 and question.options.receipt else b""
    trailers: list[Trailer] = []
    try:
        for number, run in enumerate(runs):
            asked = replace(question, zones=run, part=mark(said, number, len(runs)) if said else question.part)
            for frame in LargeZone(asked, datasets(), ask).frames() if run.oversized else ask(asked):
                if isinstance(frame, Trailer):
                    trailers.append(frame)
                elif not isinstance(frame, Header):
                    yield frame
                elif number == 0:
                    question = replace(question, options=replace(question.options, cut=dict(frame.cut), closed=True))
                    yield frame
    except GuotuError:
        if trailers:
            yield joined(trailers)
        raise
    if trailers:
        yield replace(joined(trailers), whole=_whole(said, trailers)) if said else joined(trailers)


def _said(question: Overlay, runs: Sequence[Zones]) -> bytes:
    """Return what is said of the whole."""
    return statement(IN_ORDER, question_document(question, zones=runs_document(runs)), len(runs))


def _whole(said: bytes, trailers: Sequence[Trailer]) -> Whole | None:
    """Return what the whole was put together from; None where the node gives no receipts."""
    parts = Parts(said, len(trailers))
    for number, trailer in enumerate(trailers):
        parts.add(number, trailer.receipt or trailer.whole)
    return parts.whole()


def joined(trailers: Sequence[Trailer]) -> Trailer:
    """Return the trailer of several answers that follow each other."""
    if len(trailers) == 1:
        return trailers[0]
    segments = tuple(segment for trailer in trailers for segment in trailer.segments)
    return Trailer(
        completeness=joined_completeness([trailer.completeness for trailer in trailers]),
        rows=sum(trailer.rows for trailer in trailers),
        size_bytes=sum(trailer.size_bytes for trailer in trailers),
        digest=result_digest(segments),
        segments=segments,
        elapsed_ms=sum(trailer.elapsed_ms for trailer in trailers),
    )


def joined_completeness(parts: Sequence[Completeness]) -> Completeness:
    """Return what several answers of the same members are together: a member is whole if it is in each of them."""
    told: dict[str, list[MemberOutcome]] = {}
    for part in parts:
        for member in part.members:
            told.setdefault(member.dataset, []).append(member)
    first = parts[0]
    return replace(
        first,
        members=tuple(_member(told[dataset]) for dataset in sorted(told)),
        stale_registry=any(part.stale_registry for part in parts),
    )


def _member(outcomes: Sequence[MemberOutcome]) -> MemberOutcome:
    lost = [item for item in outcomes if not item.outcome.whole]
    asked = [item for item in outcomes if item.outcome is not Outcome.PRUNED]
    return replace(
        (lost or asked or outcomes)[0],
        rows=sum(item.rows for item in outcomes),
        size_bytes=sum(item.size_bytes for item in outcomes),
        elapsed_ms=sum(item.elapsed_ms for item in outcomes),
        truncated=any(item.truncated for item in outcomes),
    )
