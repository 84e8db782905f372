"""What was found of a receipt, as a table or as JSON, and the exit code that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from node.cli import exit_codes
from node.cli.console import emit_json, show, stdout, table
from node.cli.receipt_check import Finding
from node.cli.receipt_keys import SignerKey
from node.cli.saved_receipt import SavedReceipt
from node.cli.wording import when
from sync.trust import fingerprint

_NAMES = {
    "signature": "签名 signature",
    "parts": "分部 parts",
    "account": "说明 account",
    "digest": "总摘要 digest",
    "rows": "行 rows",
}
_LAST_MS = 253_402_214_400_000
"""The last day of the year 9999; what says another time is no receipt of ours."""
_MARKS = {True: "得证 proven", False: "不符 DIFFERS", None: "不可证 not proven"}


def report_findings(saved: SavedReceipt, signer: SignerKey, findings: Sequence[Finding], as_json: bool) -> int:
    """Show what was found; returns the exit code."""
    if as_json:
        emit_json(
            {
                "file": str(saved.file),
                "node": saved.node,
                "key": signer.key.hex(),
                "fingerprint": fingerprint(signer.key),
                "key_source": signer.source,
                "findings": [asdict(item) for item in findings],
                "statement": saved.said,
            }
        )
    else:
        rows = [(_NAMES[item.what], _MARKS[item.proven], item.detail) for item in findings]
        show(table(str(saved.file), ("项 what", "结论 finding", "说明 detail"), rows))
        stdout().print(f"公钥 key  {fingerprint(signer.key)} ({signer.source})")
        _show_statement(saved)
    return code_of(findings)


def _show_statement(saved: SavedReceipt) -> None:
    time, digest = saved.said.get("time_ms"), saved.said.get("digest")
    if isinstance(time, int) and 0 <= time < _LAST_MS and digest is not None:
        stdout().print(f"回执 receipt  {saved.node}, {when(time)}, {digest}")


def code_of(findings: Sequence[Finding]) -> int:
    """Return the exit code: something differs, else something cannot be told, else all is proven."""
    if any(item.proven is False for item in findings):
        return exit_codes.DIFFERS
    return exit_codes.PARTIAL if any(item.proven is None for item in findings) else exit_codes.OK
