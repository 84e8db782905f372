"""The receipt of a saved answer, as it stands in its account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guotu.model.division import is_node_id
from guotu.model.errors import InvalidQuestion
from guotu.model.receipt import FORMAT
from node.cli.saved_answer import read_account

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


def read_receipt(file: Path) -> SavedReceipt:
    """Read the receipt of a saved answer.

    Raises:
        InvalidQuestion: the file is no saved answer, or has no receipt.
    """
    account = read_account(file, "FILE")
    found = account.get("receipt")
    if not isinstance(found, Mapping):
        why = "（节点不出具，或由多次回答汇成） it has no receipt: the node gives none, or the answer was put together"
        detail = f"{file}: 没有回执{why} from several"
        raise InvalidQuestion(part="FILE", detail=detail)
    try:
        statement, signature = str(found["statement"]).encode(), bytes.fromhex(str(found["signature"]))
    except (KeyError, ValueError) as failure:
        raise InvalidQuestion(part="FILE", detail=f"{file}: 回执残缺 its receipt is damaged: {failure}") from failure
    return SavedReceipt(file, account, statement, signature, _document(statement))


def _document(statement: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(statement)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) and found.get("format") == FORMAT else {}
