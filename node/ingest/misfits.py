"""Rows of an increment that do not fit what is published, as findings of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from node.ingest.kinds import FaultKind
from node.ingest.report import ImportReport, MisfitRow
from node.ingest.tally import Tally, shorten

SHOWN = 1000
"""Most rows that a report lists one by one; all are counted."""


def with_misfits(report: ImportReport, misfits: Sequence[MisfitRow]) -> ImportReport:
    """Return the report with a fault for each kind and field, and the first rows one by one."""
    if not misfits:
        return report
    tally = Tally()
    for misfit in misfits:
        values = [f"{shorten(misfit.stated)} ≠ {shorten(misfit.present)}"] if misfit.field else []
        tally.add(misfit.kind, misfit.field, count=1, keys=[shorten(misfit.key)], values=values)
    return replace(report.joined(tally.findings()), misfits=(*report.misfits, *misfits)[:SHOWN])


def misfit_row(kind: str, key: object, field: str, stated: object, present: object) -> MisfitRow:
    """Return a row for a report; `kind` as in `sync.publish.Misfit`, values as people read them, null empty.

    Raises:
        ValueError: there is no such kind.
    """
    return MisfitRow(FaultKind(kind.upper()), _text(key), field, _text(stated), _text(present))


def _text(value: object) -> str:
    return "" if value is None else str(value)
