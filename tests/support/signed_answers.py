"""Answers with a receipt, saved in any form, for tests of what receipts prove."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from federation.notary import Notary
from guotu.answering import Answer
from guotu.model.answer import Batch, Completeness, Frame, Header, MemberOutcome, Outcome, Segment, Trailer
from guotu.model.digest import SegmentDigest, result_digest
from guotu.model.question import Options, Query, Question, Selection
from node.cli.deliver import deliver_json
from node.cli.export import export
from node.cli.formats import FORMATS, JSON
from node.cli.rows import Rows
from tests.support.canned_node import PLAN

QUESTION = Query("landcover", Selection("igbp = 13"), options=Options(receipt=True))
ALL_FORMS = (*FORMATS, JSON.name)


class FixedClock:
    def now_ms(self) -> int:
        return 1_790_000_000_000

    def monotonic(self) -> float:
        return 0.0


def signed(frames: Iterable[Frame], notary: Notary, question: Question = QUESTION) -> Iterator[Frame]:
    """Give an answer's frames a receipt, as a node does."""
    for frame in frames:
        if isinstance(frame, Header):
            header = frame
        yield replace(frame, receipt=notary.receipt(question, header, frame)) if isinstance(frame, Trailer) else frame


def member_frames(parts: Mapping[str, pa.RecordBatch], schema: pa.Schema, cut_short: Sequence[str] = ()) -> list[Frame]:
    """Return a whole answer of members, by dataset; of those cut short no digest covers the rows."""
    outcomes, segments = [], []
    for dataset, rows in parts.items():
        node, short = dataset.split("/")[0], dataset in cut_short
        outcome, reason = (Outcome.FAILED, "LOST_MID_STREAM") if short else (Outcome.ANSWERED, "")
        outcomes.append(MemberOutcome(node, dataset, outcome, reason, version=3, truncated=short))
        if not short:
            digest = SegmentDigest(schema)
            digest.update(rows)
            segments.append(Segment(dataset, 3, rows.num_rows, digest.digest()))
    total = sum(rows.num_rows for rows in parts.values())
    completeness = Completeness(QUESTION.options.completeness, tuple(outcomes))
    return [
        Header("request-1", "510000", PLAN, dict.fromkeys(parts, 3), schema),
        *(Batch(dataset, rows) for dataset, rows in parts.items()),
        Trailer(completeness, total, 1000, result_digest(segments), tuple(segments)),
    ]


def saved(form: str, folder: Path, frames: Iterable[Frame]) -> Path:
    """Save an answer in a form, `json` as `--json` prints it."""
    if form == JSON.name:
        target = folder / "printed.json"
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            deliver_json(Answer(iter(frames)))
        target.write_text(printed.getvalue(), encoding="utf-8")
        return target
    target = folder / f"answer{FORMATS[form].suffixes[0]}"
    export(Rows(Answer(iter(frames))), FORMATS[form], target)
    return target
