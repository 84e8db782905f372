"""What the parts of an answer that was put together say of it: a statement in the form of a receipt's.

Nobody signed it; it follows from what was. Where it does not, it has what the account beside the rows says, and names
that as `unsigned`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from guotu.model.answer import Completeness, MemberOutcome, Outcome, Receipt, Segment, SignedPart, Whole
from guotu.model.digest import SegmentDigest, result_digest
from guotu.model.overlay import AREA_TYPE, SHARE
from guotu.model.question import CompletenessMode
from guotu.model.receipt import outcomes_document, segment_document
from guotu.model.shares import shared
from guotu.model.whole import ADDED_UP, FORMAT, IN_ORDER
from guotu.overlays.gathering import Gathering
from guotu.overlays.runs import joined_completeness
from node.cli.senseless import SENSELESS

_SHARES = ("rows_share", "territory_share")


@dataclass(slots=True)
class _Told:
    """What follows from some parts."""

    cut: dict[str, int]
    completeness: Completeness
    segments: list[Segment]
    unsigned: set[str] = field(default_factory=set)


def said_together(whole: Whole, account: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the parts say together of the answer with that account; of parts that make no sense, who signed."""
    said: dict[str, Any] = {}
    try:
        first = json.loads(next(receipts_of(whole)).statement)
        said = {"node": first["node"], "public_key": first["public_key"]}
        return said | _said(whole, account)
    except SENSELESS:
        return said


def receipts_of(whole: Whole) -> Iterator[Receipt]:
    """Yield all receipts, in order."""
    for part in whole.parts:
        if part is not None and isinstance(part.signed, Whole):
            yield from receipts_of(part.signed)
        elif part is not None and isinstance(part.signed, Receipt):
            yield part.signed


def batches_of(part: SignedPart) -> list[pa.RecordBatch]:
    """Return the groups of a part.

    Raises:
        pa.ArrowException, ValueError: they cannot be read.
    """
    with pa.ipc.open_stream(pa.py_buffer(part.groups)) as stream:
        batches = list(stream)
    for batch in batches:
        batch.validate(full=True)
    return batches


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


def _said(whole: Whole, account: Mapping[str, Any]) -> dict[str, Any]:
    statements = [json.loads(receipt.statement) for receipt in receipts_of(whole)]
    told = _told(whole, account, 0)
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


def _told(whole: Whole, account: Mapping[str, Any], place: int) -> _Told:
    """Return what follows from the parts; `place` is that of the first segment."""
    said = json.loads(whole.statement)
    if said["format"] != FORMAT or said["made"] not in (IN_ORDER, ADDED_UP):
        raise ValueError("no statement of a whole")
    return _told_in_order(whole, account) if said["made"] == IN_ORDER else _told_added(whole, said, account, place)


def _told_in_order(whole: Whole, account: Mapping[str, Any]) -> _Told:
    told: list[_Told] = []
    for part in whole.parts:
        if part is None:
            raise ValueError("a part is missing")
        place = sum(len(item.segments) for item in told)
        told.append(
            _of_receipt(part.signed) if isinstance(part.signed, Receipt) else _told(part.signed, account, place)
        )
    return _Told(
        told[0].cut,
        joined_completeness([item.completeness for item in told]),
        [segment for item in told for segment in item.segments],
        {name for item in told for name in item.unsigned},
    )


def _of_receipt(receipt: Receipt) -> _Told:
    said = json.loads(receipt.statement)
    members = tuple(member_of(outcome) for outcome in said["outcomes"])
    stale, as_of = bool(said["stale_registry"]), int(said["directory_as_of_ms"])
    return _Told(said["cut"], Completeness(_mode(said), members, stale, as_of), segments_of(said["segments"]))


def _told_added(whole: Whole, said: Mapping[str, Any], account: Mapping[str, Any], place: int) -> _Told:
    cut: dict[str, int] = {}
    members: list[MemberOutcome] = []
    unsigned: set[str] = set()
    whole_parts: list[SignedPart] = []
    for dataset, part in zip(sorted(said["datasets"]), whole.parts, strict=True):
        if part is None:
            unsigned.add("outcomes")
            members.append(_of_dataset(account["completeness"]["members"], dataset))
            continue
        if not isinstance(part.signed, Receipt):
            raise ValueError("a whole cannot be added up")
        answered = json.loads(part.signed.statement)
        cut |= answered["cut"]
        members.append(_of_dataset(answered["outcomes"], dataset))
        if members[-1].outcome.whole:
            whole_parts.append(part)
    cut = {**cut, **said["datasets"], **said.get("zone_datasets", {})}
    if all(part.groups for part in whole_parts):
        segments = [_added(whole_parts, said["question"])]
    else:
        unsigned.add("segments")
        segments = segments_of([account["segments"][place]])
    return _Told(cut, Completeness(_mode(said), tuple(members)), segments, unsigned)


def _added(parts: Sequence[SignedPart], question: Mapping[str, Any]) -> Segment:
    """Return the segment of the parts' groups together."""
    tables = [pa.Table.from_batches(batches_of(part), pa.ipc.open_stream(part.groups).schema) for part in parts]
    schema = tables[0].schema
    gathering = Gathering(schema, None, "")
    for table in tables:
        gathering.add(table.cast(schema))
    groups = pa.Table.from_batches(gathering.batches(), schema)
    gathering.close()
    if question.get("shares"):
        zones = question["zones"]
        names = pa.array(zones["names"], pa.string())
        own = pa.array(zones["area_m2"], pa.string()).cast(AREA_TYPE)
        schema = schema.append(pa.field(SHARE, pa.float64()))
        groups = shared(groups, names, own, not question["group_by"], schema)
    digest = SegmentDigest(schema)
    for batch in groups.to_batches():
        digest.update(batch)
    return Segment("", 0, digest.rows, digest.digest())


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
