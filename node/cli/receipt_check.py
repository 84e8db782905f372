"""What a receipt proves of a saved answer: one finding a question, none of which rests on another's outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from guotu.model.answer import Segment
from guotu.model.digest import result_digest
from node.cli.receipt_rows import proven_rows
from node.cli.saved_receipt import SavedReceipt
from node.cli.senseless import SENSELESS
from sync.signing import verify


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    """Stable name: signature, account, digest, rows."""
    proven: bool | None
    """None if it cannot be told from the file."""
    detail: str
    """In both languages."""


def check(saved: SavedReceipt, key: bytes) -> list[Finding]:
    """Look at everything; `key` is the public key (Ed25519, 32 bytes) by which the signature is checked."""
    return [
        _signature(saved, key),
        found("account", lambda: account_finding(saved)),
        found("digest", lambda: digest_finding(saved)),
        found("rows", lambda: Finding("rows", *proven_rows(saved))),
    ]


def found(what: str, look: Callable[[], Finding]) -> Finding:
    """Look; a statement that is none of ours cannot be read as one."""
    try:
        return look()
    except SENSELESS as failure:
        return Finding(what, False, f"内容残缺 it is not whole: {type(failure).__name__} {failure}")


def _signature(saved: SavedReceipt, key: bytes) -> Finding:
    try:
        good = verify(key, saved.statement, saved.signature)
    except ValueError:
        good = False
    told = f"{saved.node or '?'} 签名 signed it" if good else f"不是 {saved.node or '?'} 的签名 not signed by its key"
    return Finding("signature", good and bool(saved.said), told)


def account_finding(saved: SavedReceipt) -> Finding:
    """Compare what stands beside the rows, which people and programs read, with what was signed."""
    said, account = saved.said, saved.account
    completeness = account["completeness"]
    members = [
        {name: member[name] for name in outcome} | {"outcome": str(member["outcome"])}
        for member, outcome in zip(completeness["members"], said["outcomes"], strict=True)
    ]
    shares = ("complete", "rows_share", "territory_share", "stale_registry", "directory_as_of_ms")
    pairs: dict[str, tuple[Any, Any]] = {
        "node": (account["node"], said["node"]),
        "request_id": (account["request_id"], said["request_id"]),
        "collection": (account["collection"], said["question"]["collection"]),
        "cut": (account["cut"], said["cut"]),
        "digest": (account["digest"], said["digest"]),
        "row_count": (account["row_count"], said["rows"]),
        "segments": (account["segments"], said["segments"]),
        "members": (members, said["outcomes"]),
        **{name: (completeness[name], said[name]) for name in shares},
    }
    differs = [name for name, (one, other) in pairs.items() if one != other]
    if differs:
        return Finding("account", False, f"与签名内容不符 differs from what was signed: {', '.join(differs)}")
    return Finding("account", True, "文件所附说明与签名内容一致 what stands beside the rows is what was signed")


def digest_finding(saved: SavedReceipt) -> Finding:
    """Look whether the digest follows from those of the segments."""
    segments = [segment_of(item) for item in saved.said["segments"]]
    good = result_digest(segments).hex() == saved.said["digest"]
    told = "由各段摘要得出 follows from those of the segments"
    return Finding("digest", good, told if good else "与各段摘要不符 does not follow from those of the segments")


def segment_of(item: Mapping[str, Any]) -> Segment:
    """Return a segment as a statement has it."""
    return Segment(item["dataset"], int(item["version"]), int(item["rows"]), bytes.fromhex(item["digest"]))
