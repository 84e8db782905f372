"""What the parts of an answer that was put together say of it: a statement in the form of a receipt's.

Nobody signed it; it follows from what was. Where it does not, it has what the account beside the rows says, and names
that as `unsigned`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guotu.model.answer import Completeness, MemberOutcome, Outcome, Receipt, Segment, SignedPart, Whole
from guotu.model.digest import result_digest
from guotu.model.question import CompletenessMode
from guotu.model.receipt import outcomes_document, segment_document
from guotu.model.whole import ADDED_UP, FORMAT, IN_ORDER
from guotu.overlays.runs import joined_completeness
from node.cli.part_rows import PartRows
from node.cli.senseless import SENSELESS
from node.cli.whole_sum import sum_of

_SHARES = ("rows_share", "territory_share")


@dataclass(slots=True)
class _Told:
    """What follows from some parts."""

    cut: dict[str, int]
    completeness: Completeness
    segments: list[Segment]
    unsigned: set[str] = field(default_factory=set)


def said_together(whole: Whole, account: Mapping[str, Any], rows: PartRows) -> Mapping[str, Any]:
    """Return what the parts say together of the answer with that account; of parts that make no sense, who signed."""
    said: dict[str, Any] = {}
    try:
        first = json.loads(next(receipts_of(whole)).statement)
        said = {"node": first["node"], "public_key": first["public_key"]}
        return said | _said(whole, account, rows)
    except SENSELESS:
        return said


def receipts_of(whole: Whole) -> Iterator[Receipt]:
    """Yield all receipts, in order."""
    for part in whole.parts:
        if part is not None and isinstance(part.signed, Whole):
            yield from receipts_of(part.signed)
        elif part is not None and isinstance(part.signed, Receipt):
            yield part.signed


def member_of(outcome: Mapping[str, Any]) -> MemberOutcome:
    """Return a member's outcome, as a statement or an account has it."""
    dataset, reason, replica = (str(outcome[name]) for name in ("dataset", "reason", "replica"))
    return MemberOutcome(
        dataset.split("/")[0],
        dataset,
        Outcome(outcome["outcome"]),
        reason,
        version=int(outcome["version"]),
        rows=int(outcome["rows"]),
        replica=replica,
        truncated=bool(outcome["truncated"]),
    )


def _said(whole: Whole, account: Mapping[str, Any], rows: PartRows) -> dict[str, Any]:
    statements = [json.loads(receipt.statement) for receipt in receipts_of(whole)]
    told = _Telling(account, rows).of(whole, 0)
    completeness = account["completeness"]
    unsigned = set(told.unsigned)
    said = {
        "format": FORMAT,
        "request_id": account["request_id"],
        "time_ms": max(int(statement["time_ms"]) for statement in statements),
        "question": json.loads(whole.statement)["question"],
        "cut": told.cut,
        **outcomes_document(told.completeness),
        "rows": sum(segment.rows for segment in told.segments),
        "digest": result_digest(told.segments).hex(),
        "segments": [segment_document(segment) for segment in told.segments],
    }
    if not told.completeness.complete:  # they weigh members by what is advertised, which receipts do not have
        said |= {name: completeness[name] for name in _SHARES}
        unsigned |= set(_SHARES)
    return {**said, "unsigned": sorted(unsigned)}


@dataclass(frozen=True, slots=True)
class _Telling:
    """Finds what follows from parts."""

    account: Mapping[str, Any]
    rows: PartRows

    def of(self, whole: Whole, place: int) -> _Told:
        """Return what follows from the parts of a whole; `place` is that of its first segment."""
        said = json.loads(whole.statement)
        if said["format"] != FORMAT or said["made"] not in (IN_ORDER, ADDED_UP):
            raise ValueError("no statement of a whole")
        return self._in_order(whole) if said["made"] == IN_ORDER else self._added_up(whole, said, place)

    def _in_order(self, whole: Whole) -> _Told:
        told: list[_Told] = []
        for part in whole.parts:
            if part is None:
                raise ValueError("a part is missing")
            signed, place = part.signed, sum(len(item.segments) for item in told)
            told.append(_of_receipt(signed) if isinstance(signed, Receipt) else self.of(signed, place))
        return _Told(
            told[0].cut,
            joined_completeness([item.completeness for item in told]),
            [segment for item in told for segment in item.segments],
            {name for item in told for name in item.unsigned},
        )

    def _added_up(self, whole: Whole, said: Mapping[str, Any], place: int) -> _Told:
        cut: dict[str, int] = {}
        members: list[MemberOutcome] = []
        unsigned: set[str] = set()
        answered: dict[str, SignedPart] = {}
        for dataset, part in zip(sorted(said["datasets"]), whole.parts, strict=True):
            if part is None:
                unsigned.add("outcomes")
                members.append(_of_dataset(self.account["completeness"]["members"], dataset))
                continue
            if not isinstance(part.signed, Receipt):
                raise ValueError("a whole cannot be added up")
            statement = json.loads(part.signed.statement)
            cut |= statement["cut"]
            members.append(_of_dataset(statement["outcomes"], dataset))
            if members[-1].outcome.whole:
                answered[dataset] = part
        cut = {**cut, **said["datasets"], **said.get("zone_datasets", {})}
        if all(self.rows.known(dataset, part) for dataset, part in answered.items()):
            groups = (batch for dataset, part in answered.items() for batch in self.rows.batches(dataset, part))
            segments = [sum_of(groups, said["question"])]
        else:
            unsigned.add("segments")
            segments = segments_of([self.account["segments"][place]])
        return _Told(cut, Completeness(_mode(said), tuple(members)), segments, unsigned)


def _of_receipt(receipt: Receipt) -> _Told:
    said = json.loads(receipt.statement)
    members = tuple(member_of(outcome) for outcome in said["outcomes"])
    stale, as_of = bool(said["stale_registry"]), int(said["directory_as_of_ms"])
    return _Told(said["cut"], Completeness(_mode(said), members, stale, as_of), segments_of(said["segments"]))


def _of_dataset(outcomes: Sequence[Mapping[str, Any]], dataset: str) -> MemberOutcome:
    found = next((item for item in outcomes if item["dataset"] == dataset), None)
    if found is None:
        raise ValueError(f"nothing is said of {dataset}")
    return member_of(found)


def _mode(said: Mapping[str, Any]) -> CompletenessMode:
    """Return what was wanted; it is not compared."""
    return CompletenessMode(said["question"]["options"].get("completeness", CompletenessMode.REQUIRE_ALL))


def segments_of(items: Sequence[Mapping[str, Any]]) -> list[Segment]:
    """Return segments as a statement has them."""
    return [
        Segment(str(item["dataset"]), int(item["version"]), int(item["rows"]), bytes.fromhex(item["digest"]))
        for item in items
    ]
