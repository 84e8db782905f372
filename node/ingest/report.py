"""What an import found: faults, notices and repairs; canonical JSON as in docs/reference/import-report.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from guotu.model.errors import ImportRefused
from node.ingest.kinds import FaultKind
from node.ingest.sentences import SENTENCES

DELETES = "deletes"
"""Part of an increment: the list of what is to be deleted."""
_ORDER = {kind: position for position, kind in enumerate(FaultKind)}


@dataclass(frozen=True, slots=True)
class Fault:
    """All findings of one kind in one field that say the same; a fault, or a notice by where it stands."""

    kind: FaultKind
    field: str = ""
    """Field, column, layer or nothing, as the kind's sentence has it."""
    count: int = 0
    """Rows concerned; 0 where it concerns the file as a whole."""
    keys: tuple[str, ...] = ()
    """Keys of the first rows concerned, at most 5; "#12" is the twelfth row, where a row has no key."""
    detail: str = ""
    """Facts for the sentence; the same in every language."""
    values: tuple[str, ...] = ()
    """The first different values concerned, at most 5, or what the kind's sentence has them for."""
    part: str = ""
    """DELETES for a finding in the list of what is to be deleted; empty for one in the layer."""

    @property
    def chinese(self) -> str:
        """The sentence in Chinese, without remedy."""
        return ("删除清单：" if self.part else "") + self._fill(SENTENCES[self.kind].zh)

    @property
    def english(self) -> str:
        """The sentence in English, without remedy."""
        return ("list of deletes: " if self.part else "") + self._fill(SENTENCES[self.kind].en)

    @property
    def remedy_chinese(self) -> str:
        """What to do, in Chinese; empty for most notices."""
        return self._fill(SENTENCES[self.kind].remedy_zh)

    @property
    def remedy_english(self) -> str:
        """What to do, in English; empty for most notices."""
        return self._fill(SENTENCES[self.kind].remedy_en)

    def _fill(self, template: str) -> str:
        return template.format(field=self.field, count=self.count, detail=self.detail, values=", ".join(self.values))


@dataclass(frozen=True, slots=True)
class Repairs:
    """What --repair did to geometries."""

    count: int
    keys: tuple[str, ...]
    """Keys of the first rows repaired, at most 5."""
    area_before_m2: float
    """Ellipsoidal area of the geometries as they came, m²; a ring that crosses itself counts its lobes signed."""
    area_after_m2: float
    """Ellipsoidal area of the repaired geometries, m²."""
    largest_change_m2: float
    """Largest change of one feature's area, m²."""


@dataclass(frozen=True, slots=True)
class MisfitRow:
    """One row of an increment that does not fit what is published; values as people read them."""

    kind: FaultKind
    key: str
    field: str = ""
    stated: str = ""
    present: str = ""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The outcome of one inspection."""

    collection: str
    source: str
    rows: int
    """Rows inspected."""
    faults: tuple[Fault, ...] = ()
    """Why the layer is refused; none if it is accepted."""
    notices: tuple[Fault, ...] = ()
    repairs: Repairs | None = None
    misfits: tuple[MisfitRow, ...] = ()
    """The rows behind the faults of an increment, at most 1,000."""

    @property
    def ok(self) -> bool:
        """Tell whether the layer may be written."""
        return not self.faults

    def joined(self, findings: Iterable[Fault]) -> ImportReport:
        """Return this report with findings that the reader made while it sent rows."""
        faults, notices = sort_findings(findings)
        return replace(
            self,
            faults=_merge(self.faults, faults),
            notices=_merge(self.notices, notices),
        )

    def refusal(self) -> ImportRefused:
        """Return the error to raise for a layer that is not `ok`."""
        return ImportRefused(source=self.source, faults=len(self.faults))

    def to_json(self) -> bytes:
        """Return canonical JSON: UTF-8, sorted keys, no spaces."""
        return _dump({**asdict(self), "ok": self.ok})

    @classmethod
    def from_json(cls, data: bytes) -> ImportReport:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is not such a report.
        """
        try:
            content = json.loads(data)
            repairs = content["repairs"]
            return cls(
                collection=content["collection"],
                source=content["source"],
                rows=content["rows"],
                faults=tuple(map(_fault, content["faults"])),
                notices=tuple(map(_fault, content["notices"])),
                repairs=Repairs(**{**repairs, "keys": tuple(repairs["keys"])}) if repairs else None,
                misfits=tuple(map(_misfit, content.get("misfits", ()))),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an import report: {error}") from error


def faults_to_json(faults: Sequence[Fault]) -> bytes:
    """Return canonical JSON of findings, as a publisher's header carries them."""
    return _dump([asdict(fault) for fault in faults])


def faults_from_json(data: bytes) -> tuple[Fault, ...]:
    """Read what `faults_to_json` wrote; no bytes are no findings.

    Raises:
        ValueError: it is no list of findings.
    """
    if not data:
        return ()
    try:
        return tuple(map(_fault, json.loads(data)))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a list of faults: {error}") from error


def sort_findings(findings: Iterable[Fault]) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """Part findings by their kind into (faults, notices), each in the order of reports."""
    ordered = sorted(findings, key=_rank)
    faults = tuple(item for item in ordered if not item.kind.is_notice)
    return faults, tuple(item for item in ordered if item.kind.is_notice)


def _merge(known: Sequence[Fault], more: Sequence[Fault]) -> tuple[Fault, ...]:
    """Join findings; of two that say the same, the one of more rows is the later."""
    latest: dict[tuple[str, FaultKind, str, str], Fault] = {}
    for fault in (*known, *more):
        place = (fault.part, fault.kind, fault.field, fault.detail)
        if place not in latest or fault.count > latest[place].count:
            latest[place] = fault
    return tuple(sorted(latest.values(), key=_rank))


def _rank(fault: Fault) -> tuple[str, int, str, str]:
    return fault.part, _ORDER[fault.kind], fault.field, fault.detail


def _fault(content: Mapping[str, Any]) -> Fault:
    return Fault(
        kind=FaultKind(content["kind"]),
        field=content["field"],
        count=content["count"],
        keys=tuple(content["keys"]),
        detail=content["detail"],
        values=tuple(content["values"]),
        part=content.get("part", ""),
    )


def _misfit(content: Mapping[str, Any]) -> MisfitRow:
    return MisfitRow(**{**content, "kind": FaultKind(content["kind"])})


def _dump(content: object) -> bytes:
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()
