"""A zone that is too large for any request: one answer from as many questions as there are datasets.

Each dataset is asked about those pieces of the zone that its features may meet, and counts its features once; the
groups are added up here, exactly. So the zone travels once, in parts, and the answer is what one request would give, to
the last bit (decision 30).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np
import pyarrow as pa
import shapely

from guotu.model.answer import Batch, Frame, Header, MemberOutcome, Notice, Trailer
from guotu.model.errors import DeadlineExceeded, Incomplete, Internal, TooLarge
from guotu.model.overlay import SHARE
from guotu.model.ownership import left_to
from guotu.model.plan import Plan
from guotu.model.question import MAX_GROUPS, Overlay
from guotu.model.question_document import question_document
from guotu.model.records import DatasetRecord
from guotu.model.shares import with_shares
from guotu.model.tabulation import Sums
from guotu.model.whole import ADDED_UP, dataset_marks, large_document, statement
from guotu.model.zones import ZONE, Zones
from guotu.overlays.gathering import in_order
from guotu.overlays.members import added_up, outcome_of, pinned_versions, timed_out
from guotu.overlays.parts import Parts

_ROWS = 16_384
_MERGE = "add up groups, by dataset"

_Told = tuple[MemberOutcome, Trailer | None, list[pa.RecordBatch]]
Ask = Callable[[Overlay], Iterator[Frame]]
"""Asks one question; closing the iterator cancels it."""


class LargeZone:
    """One overlay over one zone, asked dataset by dataset."""

    def __init__(self, question: Overlay, datasets: Iterable[DatasetRecord], ask: Ask) -> None:
        """Take the question, what is advertised of the datasets in its scope, and how to ask.

        Raises:
            InvalidQuestion: nobody has a dataset of the collection.
        """
        self._question = question
        self._ask = ask
        self._records = {record.dataset: record for record in datasets}
        heads = {dataset: record.version for dataset, record in self._records.items()}
        self._versions = pinned_versions(question.collection, question.options, heads)
        self._said = self._statement() if question.options.receipt else b""
        self._marks = dataset_marks(self._said, self._versions) if self._said else {}
        self._header: Header | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield the answer.

        Raises:
            TooLarge: what one dataset has to know of the zone is too large by itself (nobody was asked), or there are
                more than MAX_GROUPS groups.
            IncompleteAnswer, NobodyAnswered: members are missing; after the trailer.
            what `ask` raises for the question itself.
        """
        sums = Sums([ZONE, *self._question.group_by], MAX_GROUPS)
        members: list[MemberOutcome] = []
        parts, plans = Parts(self._said, len(self._versions)), []
        for number, (dataset, part) in enumerate(sorted(self._parts().items())):
            member, trailer, groups = yield from self._asked(dataset, part)
            members.append(member)
            if trailer is not None and self._header is not None:
                parts.add(number, trailer.receipt, groups, self._plain)
            if trailer is not None and trailer.plan is not None:
                plans.append(trailer.plan)
            for rows in groups:
                sums.add(pa.Table.from_batches([rows]))
        if self._header is None:
            raise Internal(detail="the node ended its answers before their headers")
        schema = self._header.schema
        mode = self._question.options.completeness
        for frame in added_up(self._rows(sums.table(), schema), schema, mode, members, parts.whole()):
            yield replace(frame, plan=self._joined(plans)) if plans and isinstance(frame, Trailer) else frame

    def plan(self, explain: Callable[[Overlay], Plan]) -> Plan:
        """Return how it would be answered, of what `explain` returns for each dataset.

        Raises:
            TooLarge: as `frames`.
            what `explain` raises.
        """
        return self._joined([explain(self._about(dataset, part)) for dataset, part in sorted(self._parts().items())])

    def _joined(self, plans: Sequence[Plan]) -> Plan:
        """Return the plans for the datasets as one."""
        return replace(
            plans[0],
            steps=tuple(step for plan in plans for step in plan.steps),
            merge=_MERGE,
            stale_registry=any(plan.stale_registry for plan in plans),
            planning_ms=sum(plan.planning_ms for plan in plans),
        )

    def _statement(self) -> bytes:
        """Return what is said of the whole."""
        question = question_document(self._question, zones=large_document(self._question.zones))
        return statement(ADDED_UP, question, len(self._versions), datasets=dict(self._versions))

    def _parts(self) -> dict[str, Zones]:
        """Return what each dataset has to know of the zone: a piece at least, so that it tells of itself."""
        zones = self._question.zones
        tree = shapely.STRtree(zones.pieces.shapes)
        parts = {}
        for dataset in self._versions:
            ground = self._ground(dataset)
            met = np.arange(len(tree)) if ground is None else np.sort(tree.query(ground, "intersects"))
            parts[dataset] = zones.part(met.tolist() or [0])
            self._check_size(dataset, parts[dataset])
        return parts

    def _check_size(self, dataset: str, part: Zones) -> None:
        """Tell what is too large before anybody is asked."""
        try:
            part.encoded()
        except TooLarge as failure:
            told = {**failure.facts, "what": f"分区 zone {part.names[0].as_py()!r}, {dataset}"}
            raise TooLarge(**told) from None

    def _ground(self, dataset: str) -> shapely.Geometry | None:
        """Return where all features of a dataset lie; None if that is not known of its version."""
        record = self._records.get(dataset)
        if record is None or record.version != self._versions[dataset]:
            return None
        return shapely.from_wkb(record.coverage_wkb) if record.coverage_wkb else shapely.Point()

    def _asked(self, dataset: str, part: Zones) -> Generator[Frame, None, _Told]:
        """Ask one dataset; yields what the caller has to know, returns its outcome, trailer and groups."""
        trailer: Trailer | None = None
        groups: list[pa.RecordBatch] = []
        try:
            with closing(self._ask(self._about(dataset, part))) as frames:  # type: ignore[type-var]
                for frame in frames:
                    if isinstance(frame, Batch):
                        groups.append(frame.rows)
                    elif isinstance(frame, Trailer):
                        trailer = frame
                    elif isinstance(frame, Notice):
                        yield frame
                    elif self._header is None:
                        self._header = self._of_all(frame)
                        yield self._header
        except Incomplete:
            return outcome_of(dataset, trailer), trailer, []
        except DeadlineExceeded as failure:
            if self._header is None:
                raise
            return timed_out(dataset, failure), None, []
        return outcome_of(dataset, trailer), trailer, groups

    def _about(self, dataset: str, zones: Zones) -> Overlay:
        """Return what one dataset is asked. A boundary is taken at the same versions by all."""
        options = self._question.options
        known = options.cut if self._header is None else self._header.cut
        cut = {name: version for name, version in known.items() if name not in self._versions}
        cut[dataset] = self._versions[dataset]
        options = replace(options, dataset=dataset, cut=cut, closed=False)
        others = left_to(self._versions)
        part = self._marks.get(dataset)
        return replace(self._question, zones=zones, shares=False, options=options, left_to=others, part=part)

    def _of_all(self, first: Header) -> Header:
        """Return the header of the answer; `first` is that of the first dataset."""
        question, cut = self._question, {**first.cut, **self._versions}
        schema = first.schema.append(pa.field(SHARE, pa.float64())) if question.shares else first.schema
        plan = Plan(first.node, question.collection, question.options.scope, (), merge=_MERGE)
        return Header(first.request_id, first.node, plan, cut, schema)

    @property
    def _plain(self) -> pa.Schema:
        """Return the schema of the parts' groups; only once there is a header."""
        if self._header is None:
            raise Internal(detail="the node ended its answers before their headers")
        schema = self._header.schema
        return schema.remove(schema.get_field_index(SHARE)) if self._question.shares else schema

    def _rows(self, groups: pa.Table | None, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        question, plain = self._question, self._plain
        ordered = in_order(plain.empty_table() if groups is None else groups, plain)
        if question.shares:
            ordered = with_shares(ordered, question.zones, not question.group_by, schema)
        yield from ordered.combine_chunks().to_batches(max_chunksize=_ROWS)
