"""The receipt of a saved answer, as it stands in its account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guotu.model.answer import Whole
from guotu.model.division import is_node_id
from guotu.model.errors import InvalidQuestion
from guotu.model.receipt import FORMAT, receipt_of
from node.cli.part_rows import PartRows
from node.cli.saved_answer import read_account
from node.cli.whole_document import whole_of
from node.cli.whole_said import said_together

_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class SavedReceipt:
    """A receipt that was read, nothing of it checked yet."""

    file: Path
    account: Mapping[str, Any]
    """What the file says of the answer; not signed."""
    statement: bytes
    signature: bytes
    said: Mapping[str, Any]
    """The statement as a document; empty if it cannot be read as one."""
    whole: Whole | None = None
    """What the answer was put together from; then `said` is what follows from its parts, and nobody signed that."""
    rows: PartRows = field(default_factory=PartRows)
    """Where the groups of the parts are."""

    @property
    def node(self) -> str:
        """The node that says it signed; empty if the statement names none."""
        name = self.said.get("node")
        return name if isinstance(name, str) and is_node_id(name) else ""

    @property
    def named_key(self) -> bytes:
        """The public key that the statement names; empty if it names none."""
        try:
            key = bytes.fromhex(str(self.said.get("public_key", "")))
        except ValueError:
            return b""
        return key if len(key) == _KEY_BYTES else b""


def read_receipt(file: Path, job: Path | None = None) -> SavedReceipt:
    """Read the receipt of a saved answer; `job` is the folder of the job that it came of, None for none.

    Raises:
        InvalidQuestion: the file is no saved answer, or has no receipt.
    """
    account = read_account(file, "FILE")
    found, whole = account.get("receipt"), account.get("whole")
    try:
        if isinstance(found, Mapping):
            receipt = receipt_of(found)
            return SavedReceipt(file, account, receipt.statement, receipt.signature, _document(receipt.statement))
        if isinstance(whole, Mapping):
            parts, rows = whole_of(whole), PartRows(job)
            return SavedReceipt(file, account, b"", b"", said_together(parts, account, rows), parts, rows)
    except (KeyError, TypeError, ValueError) as failure:
        raise InvalidQuestion(part="FILE", detail=f"{file}: 回执残缺 its receipt is damaged: {failure}") from failure
    detail = f"{file}: 没有回执（节点不出具） it has no receipt: the node gives none"
    raise InvalidQuestion(part="FILE", detail=detail)


def _document(statement: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(statement)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) and found.get("format") == FORMAT else {}
