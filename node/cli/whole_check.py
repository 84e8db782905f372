"""What the receipts of its parts prove of an answer that was put together from several."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import pyarrow as pa

from guotu.model.answer import Receipt, SignedPart, Whole
from guotu.model.ownership import left_to
from guotu.model.whole import ADDED_UP, FORMAT, IN_ORDER
from node.cli.part_rows import PartRows
from node.cli.receipt_check import Finding, account_finding, digest_finding, found
from node.cli.receipt_rows import proven_rows
from node.cli.saved_receipt import SavedReceipt
from node.cli.whole_said import member_of, receipts_of, segments_of
from node.cli.whole_sum import merged_segment
from node.cli.wording import count
from sync.signing import verify

_SHOWN = 5
_PIECES = (
    "分区由提问者切块，各块合为该分区及其面积（占比）不可证 not proven: that the pieces make up the zone, "
    "and its own area, are the word of who asked"
)
_TOO_MANY = (
    "各分部的组过多而未存，须以作业目录（--parts）证其和 not proven: the groups of the parts are too many to be kept; "
    "give the job's folder (--parts)"
)
_OF_A_RUN = ("cut", "closed")
_OF_A_DATASET = ("cut", "closed", "dataset", "completeness")


def check_whole(saved: SavedReceipt, whole: Whole, key: bytes) -> list[Finding]:
    """Look at everything; `key` is the public key (Ed25519, 32 bytes) of the node that answered the parts."""
    return [
        found("signature", lambda: _signatures(saved, whole, key)),
        found("parts", lambda: _parts(saved, whole)),
        found("account", lambda: _unless(saved, account_finding(saved), ("outcomes", "rows_share"))),
        found("digest", lambda: _unless(saved, digest_finding(saved), ("segments",))),
        found("rows", lambda: _unless(saved, Finding("rows", *proven_rows(saved)), ("segments",))),
    ]


def _unless(saved: SavedReceipt, finding: Finding, names: Sequence[str]) -> Finding:
    """Return a finding, as not proven if it rests on what nobody signed."""
    unsigned = [name for name in saved.said["unsigned"] if name in names]
    if not unsigned or not finding.proven:
        return finding
    told = f"无签名为凭 nobody signed: {', '.join(unsigned)}"
    if "segments" in unsigned:
        told = _TOO_MANY
    return replace(finding, proven=None, detail=told)


def _signatures(saved: SavedReceipt, whole: Whole, key: bytes) -> Finding:
    receipts = list(receipts_of(whole))
    foreign = 0
    for number, receipt in enumerate(receipts, 1):
        if json.loads(receipt.statement)["node"] != saved.node:
            foreign += 1
        elif not _signed(receipt, key):
            return Finding(
                "signature", False, f"第 no. {number}: 不是 {saved.node or '?'} 的签名 not signed by its key"
            )
    if foreign:
        told = f"{foreign} 个分部由他节点签名，未查 parts are signed by other nodes: not looked at"
        return Finding("signature", None, told)
    told = f"{count(len(receipts))} 个分部均由 {saved.node} 签名 parts, all signed by it"
    return Finding("signature", bool(receipts), told)


def _signed(receipt: Receipt, key: bytes) -> bool:
    try:
        return verify(key, receipt.statement, receipt.signature)
    except ValueError:
        return False


def _parts(saved: SavedReceipt, whole: Whole) -> Finding:
    looked = _Looked(saved.account, saved.rows)
    looked.at(whole, None)
    looked.end()
    if looked.faults:
        more = f" … +{len(looked.faults) - _SHOWN}" if len(looked.faults) > _SHOWN else ""
        return Finding("parts", False, "; ".join(looked.faults[:_SHOWN]) + more)
    if looked.doubts:
        return Finding("parts", None, "; ".join(looked.doubts))
    told = "同一问题、同一切面的全部分部，各一份 all parts of one question at one cut, each once"
    return Finding("parts", True, told)


@dataclass(slots=True)
class _Looked:
    """Looks whether parts are those of their whole."""

    account: Mapping[str, Any]
    rows: PartRows
    faults: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    _unmarked: bool = False

    def at(self, whole: Whole, mark: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Look at a whole, which is itself a part if it has a mark; returns its statement."""
        said: Mapping[str, Any] = json.loads(whole.statement)
        if said["format"] != FORMAT or said["made"] not in (IN_ORDER, ADDED_UP) or said["count"] != len(whole.parts):
            self.faults.append("不是该汇总的分部 not the parts of a whole")
            return said
        if said["question"].get("part") != mark:
            self.faults.append("分部不属此汇总 a part is none of this whole")
        marks = [
            {"whole": hashlib.sha256(whole.statement).hexdigest(), "number": number, "count": len(whole.parts)}
            for number in range(len(whole.parts))
        ]
        if said["made"] == IN_ORDER:
            self._runs(whole, said, marks)
        else:
            self._datasets(whole, said, marks)
        return said

    def end(self) -> None:
        """Tell of parts that a node signed which knows nothing of marks: an earlier release."""
        if self._unmarked:
            self.doubts.append(
                "节点版本较早，未签分部之序 not proven: the node, of an earlier release, signs no marks of parts"
            )

    def _runs(self, whole: Whole, said: Mapping[str, Any], marks: Sequence[Mapping[str, Any]]) -> None:
        zones, hashes = 0, hashlib.sha256()
        for part, mark in zip(whole.parts, marks, strict=True):
            if part is None:
                self.faults.append(f"缺第 part no. {mark['number'] + 1} is missing")
                continue
            signed = part.signed
            told = self.at(signed, mark) if isinstance(signed, Whole) else self._marked(signed, mark)
            if isinstance(signed, Receipt) and told["cut"] != self.account["cut"]:
                self._fault(mark, "切面不同 is of another cut")
            if _but(told["question"], _OF_A_RUN, "zones") != _but(said["question"], _OF_A_RUN, "zones"):
                self._fault(mark, "问题不同 is of another question")
            zones += told["question"]["zones"]["count"]
            hashes.update(bytes.fromhex(told["question"]["zones"]["sha256"]))
        if said["question"]["zones"] != {"count": zones, "sha256": hashes.hexdigest()}:
            self.faults.append("分区不同 the zones are others")

    def _datasets(self, whole: Whole, said: Mapping[str, Any], marks: Sequence[Mapping[str, Any]]) -> None:
        datasets = sorted(said["datasets"])
        absent = []
        for dataset, part, mark in zip(datasets, whole.parts, marks, strict=True):
            if part is None:
                absent.append(dataset)
            elif isinstance(part.signed, Receipt):
                self._dataset(dataset, part, self._marked(part.signed, mark), said, mark)
            else:
                self._fault(mark, "不是一份回执 is no receipt")
        lost = {
            item["dataset"] for item in self.account["completeness"]["members"] if not member_of(item).outcome.whole
        }
        for dataset in absent:
            if dataset not in lost:
                self.faults.append(f"缺 {dataset} is missing")
        if absent:
            names = ", ".join(absent[:_SHOWN])
            self.doubts.append(f"{len(absent)} 个分部无回执，其缺失原因不可证 parts have no receipt: {names}")
        if said["question"]["kind"] == "overlay":
            self.doubts.append(_PIECES)

    def _dataset(
        self, dataset: str, part: SignedPart, told: Mapping[str, Any], said: Mapping[str, Any], mark: Mapping[str, Any]
    ) -> None:
        asked, versions = told["question"], {**said["datasets"], **said.get("zone_datasets", {})}
        if asked["options"]["dataset"] != dataset or told["cut"].get(dataset) != versions[dataset]:
            self._fault(mark, f"不是 {dataset}@{versions[dataset]} is not that of it")
        cut = self.account["cut"]
        if any(cut.get(name, version) != version for name, version in told["cut"].items()):
            self._fault(mark, "切面不同 is of another cut")
        if asked["left_to"] != left_to(said["datasets"]):
            self._fault(mark, "归属不同 leaves features to others")
        but = ("zones", "shares", "left_to") if asked["kind"] == "overlay" else ("left_to",)
        if _but(asked, _OF_A_DATASET, *but) != _but(_of_zones(said), _OF_A_DATASET, *but):
            self._fault(mark, "问题不同 is of another question")
        whole = next(member_of(item).outcome.whole for item in told["outcomes"] if item["dataset"] == dataset)
        if self.rows.known(dataset, part):
            groups = self.rows.batches(dataset, part)
            if not _are_those(groups, told["segments"] if whole else []):
                self._fault(mark, "组与签名不符 has other groups than were signed")

    def _marked(self, receipt: Receipt, mark: Mapping[str, Any]) -> Mapping[str, Any]:
        told: Mapping[str, Any] = json.loads(receipt.statement)
        if "part" not in told["question"]:
            self._unmarked = True
        elif told["question"]["part"] != mark:
            self._fault(mark, "不属此汇总或不在其位 is none of this whole, or in another's place")
        return told

    def _fault(self, mark: Mapping[str, Any], what: str) -> None:
        self.faults.append(f"第 part no. {mark['number'] + 1} {what}")


def _of_zones(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the question of a whole, with the versions of its zones where they are features."""
    question: dict[str, Any] = {**said["question"]}
    if "zone_datasets" in said:
        question["zones"] = {**question["zones"], "cut": said["zone_datasets"]}
    return question


def _but(question: Mapping[str, Any], options: Sequence[str], *parts: str) -> Mapping[str, Any]:
    """Return a question without its mark, and without some parts and options."""
    kept = {name: value for name, value in question.items() if name not in ("part", *parts)}
    kept["options"] = {name: value for name, value in question["options"].items() if name not in options}
    return kept


def _are_those(groups: Iterator[pa.RecordBatch], segments: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether groups, one batch at least, are those of the segments that were signed."""
    first = next(groups)
    made = merged_segment(first.schema, chain([first], groups))
    signed = [(segment.rows, segment.digest) for segment in segments_of(segments) if segment.rows]
    return signed == ([(made.rows, made.digest)] if made.rows else [])
