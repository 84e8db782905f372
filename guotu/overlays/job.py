"""Layer overlays asked member by member, some at a time: with progress, and so that one can go on after a break.

Each member is asked for its own dataset, at the versions that were pinned when the job began, with a deadline of its
own. What is finished is kept in the job's folder; at the end all parts are added up and put in order, in flat memory
and, what does not fit, in the folder. So a job that was broken off, whenever and how often, gives the same rows and the
same digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from threading import Event, Lock
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from guotu.model.answer import Batch, Completeness, Frame, Header, MemberOutcome, Notice, Receipt, Trailer
from guotu.model.division import split_dataset
from guotu.model.errors import (
    DeadlineExceeded,
    Incomplete,
    Internal,
)
from guotu.model.ownership import left_to
from guotu.model.plan import Plan
from guotu.model.question import Cut, LayerOverlay
from guotu.model.question_document import question_document
from guotu.model.whole import ADDED_UP, dataset_marks, statement
from guotu.overlays.folder import JobFolder, Pinned
from guotu.overlays.gathering import Gathering
from guotu.overlays.members import added_up, outcome_of, pinned_versions, timed_out, unasked
from guotu.overlays.parts import Parts

AT_ONCE = 4
"""Members that are asked at once: each works with all of its processors."""

Ask = Callable[[LayerOverlay], Iterator[Frame]]
"""Asks one question; closing the iterator cancels it."""


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is, told at its beginning and after each member."""

    done: int
    """Members that are finished or lost."""
    total: int
    member: MemberOutcome | None
    """The last one; None at the beginning."""
    resumed: int
    """Members that were finished before."""
    pairs: int
    """Pairs of a zone and a feature found so far."""


class OverlayJob:
    """One layer overlay, from beginning to end."""

    def __init__(self, question: LayerOverlay, heads: Cut, ask: Ask, folder: JobFolder) -> None:
        """Take the question, the datasets in its scope with their newest versions, how to ask, and where to keep parts.

        `heads` is not looked at where the folder has begun.

        Raises:
            InvalidQuestion: the folder is that of another question, or nobody has a dataset of the collection.
        """
        self._question = question
        self._ask = ask
        self._folder = folder
        self._lost: dict[str, tuple[MemberOutcome, Receipt | None]] = {}
        self._keeping = Lock()
        self._pinned = folder.pinned(self._document()) or self._begin(heads)
        self._said = self._statement() if question.options.receipt else b""
        self._marks = dataset_marks(self._said, self._pinned.datasets) if self._said else {}

    def _document(self) -> dict[str, Any]:
        """Return the question as it is compared: all but what may be missing."""
        document = question_document(self._question)
        del document["options"]["completeness"], document["part"]
        return document

    def _statement(self) -> bytes:
        """Return what is said of the whole: the same however often the job was broken off."""
        pinned = self._pinned
        zones = dict(pinned.zones)
        return statement(
            ADDED_UP, self._document(), len(pinned.datasets), datasets=dict(pinned.datasets), zone_datasets=zones
        )

    def _begin(self, heads: Cut) -> Pinned:
        """Pin the versions: those of the features as they are known, those of the zones as the node asked chooses."""
        options = self._question.options
        datasets = pinned_versions(self._question.collection, options, heads)
        first = replace(self._question, options=replace(options, dataset=next(iter(datasets))))
        with closing(self._ask(first)) as frames:  # type: ignore[type-var]
            header = next((frame for frame in frames if isinstance(frame, Header)), None)
        if header is None:
            raise Internal(detail="the node ended its answer before the header")
        boundary = header.cut if self._question.selection.boundary else {}
        pinned = Pinned(header.node, datasets, self._zones(header.cut), header.schema, boundary)
        self._folder.pin(self._document(), pinned)
        return pinned

    def _zones(self, cut: Cut) -> Cut:
        source = self._question.zones
        if source.dataset:
            return {source.dataset: cut[source.dataset]}
        return {name: version for name, version in sorted(cut.items()) if split_dataset(name)[1] == source.collection}

    def run(self) -> Iterator[JobProgress]:
        """Ask all members that are not finished; yields how far it is. Closing the iterator cancels what is asked.

        A member that does not answer is left for the next time, and the others go on.

        Raises:
            what the node asked raises for itself: the question is not valid, it is out of reach.
            DiskFull, OSError: a part cannot be kept.
        """
        parts = {name: self._folder.part(name) for name in self._pinned.datasets}
        open_members = [name for name, part in parts.items() if part is None]
        finished = [part for part in parts.values() if part is not None]
        pairs, resumed = sum(_pairs(rows) for part in finished for rows in part.batches()), len(finished)
        done, total = resumed, len(parts)
        yield JobProgress(done, total, None, resumed, pairs)
        stopped = Event()
        pool = ThreadPoolExecutor(AT_ONCE, "overlay")
        try:
            for future in _completed(pool, partial(self._member, stopped), open_members):
                member, found = future.result()
                done, pairs = done + 1, pairs + found
                yield JobProgress(done, total, member, resumed, pairs)
        finally:
            with self._keeping:  # what is being kept is kept whole, nothing else is kept any more
                stopped.set()  # what is under way ends with its next frame
            pool.shutdown(wait=False, cancel_futures=True)

    def _member(self, stopped: Event, dataset: str) -> tuple[MemberOutcome, int]:
        """Ask one member and keep its part if it is whole; returns its outcome, and the pairs that it found.

        Raises:
            CancelledError: the work was stopped.
        """
        options = self._question.options
        with self._folder.draft(dataset, self._pinned.schema) as draft:
            pairs, trailer = 0, None
            notices: list[Notice] = []
            try:
                with closing(self._ask(self._asked(dataset))) as frames:  # type: ignore[type-var]
                    for frame in frames:
                        if stopped.is_set():
                            raise CancelledError
                        if isinstance(frame, Batch):
                            draft.write(frame.rows)
                            pairs += _pairs(frame.rows)
                        elif isinstance(frame, Notice):
                            notices.append(frame)
                        trailer = frame if isinstance(frame, Trailer) else trailer
            except Incomplete:
                pass  # the trailer tells
            except DeadlineExceeded as failure:
                trailer = Trailer(Completeness(options.completeness, (timed_out(dataset, failure),)), 0, 0, b"")
            member = outcome_of(dataset, trailer)
            if member.outcome.whole:
                with self._keeping:
                    if stopped.is_set():
                        raise CancelledError
                    draft.keep(member, notices, None if trailer is None else trailer.receipt)
                return member, pairs
        self._lost[dataset] = member, None if trailer is None else trailer.receipt
        return member, 0

    def _asked(self, dataset: str) -> LayerOverlay:
        """Return the question for one member."""
        pinned, options = self._pinned, self._question.options
        cut = {**pinned.boundary, dataset: pinned.datasets[dataset]}
        options = replace(options, dataset=dataset, cut=cut, closed=False)
        zones, part = replace(self._question.zones, cut=pinned.zones), self._marks.get(dataset)
        return replace(self._question, zones=zones, options=options, left_to=left_to(pinned.datasets), part=part)

    def frames(self) -> Iterator[Frame]:
        """Yield the answer: all finished parts added up.

        Raises:
            IncompleteAnswer, NobodyAnswered: members are missing; after the trailer.
            TooLarge, DiskFull, StoreFailure: as `guotu.overlays.blocks.Blocks.put`.
        """
        pinned, options = self._pinned, self._question.options
        cut = {**pinned.boundary, **pinned.datasets, **pinned.zones}
        plan = Plan(pinned.node, self._question.collection, options.scope, (), zones=cut)
        yield Header("", pinned.node, plan, cut, pinned.schema)
        members: list[MemberOutcome] = []
        notices: list[Notice] = []
        proof = Parts(self._said, len(pinned.datasets))
        with closing(Gathering(pinned.schema, self._folder.path, self._folder.place)) as groups:
            for number, dataset in enumerate(sorted(pinned.datasets)):
                part = self._folder.part(dataset)
                if part is None:
                    member, receipt = self._lost.get(dataset, (unasked(dataset), None))
                    members.append(member)
                    if receipt is not None:
                        proof.add(number, receipt, (), pinned.schema)
                    continue
                members.append(part.member)
                notices += part.notices
                for rows in part.batches():
                    groups.add(pa.Table.from_batches([rows]))
                proof.add(number, part.receipt, part.batches(), pinned.schema)
            yield from dict.fromkeys(notices)
            whole = proof.whole()
            yield from added_up(groups.batches(), pinned.schema, options.completeness, members, whole)


def _completed(
    pool: ThreadPoolExecutor, work: Callable[[str], tuple[MemberOutcome, int]], names: list[str]
) -> Iterator[Future[tuple[MemberOutcome, int]]]:
    """Yield what is done as it is done; a few are under way at a time."""
    waiting = list(reversed(names))
    under_way: set[Future[tuple[MemberOutcome, int]]] = set()
    while waiting or under_way:
        while waiting and len(under_way) < AT_ONCE:
            under_way.add(pool.submit(work, waiting.pop()))
        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        yield from done


def _pairs(rows: pa.RecordBatch) -> int:
    return int(pc.sum(rows.column(rows.num_columns - 2)).as_py() or 0)
