"""What an audit found, for people and programs."""

from __future__ import annotations

import json
from typing import Any

from node.cli.console import say, show, stdout, table
from node.cli.failure import error_document, report
from node.cli.import_report import show_report
from node.cli.table_audit import TableAudit
from node.cli.wording import count

_HOW = {
    "only_in_source": "仅在表中 only in the table",
    "only_in_version": "仅在版本中 only in the version",
    "differing": "不同 differs",
}


def audit_document(found: TableAudit) -> dict[str, Any]:
    """Return {table, dataset, version, manifest, equal, rows, version_rows, only_in_table, ... differences, report}."""
    document: dict[str, Any] = {
        "table": found.table,
        "dataset": found.dataset,
        "version": found.version,
        "manifest": found.manifest,
        "equal": found.equal,
        "rows": found.result.rows,
        "version_rows": found.result.version_rows,
        "only_in_table": found.result.only_in_source,
        "only_in_version": found.result.only_in_version,
        "differing": found.result.differing,
        "differences": [
            {
                "key": row.key,
                "how": "only_in_table" if row.how == "only_in_source" else row.how,
                "fields": list(row.fields),
            }
            for row in found.rows
        ],
        "report": json.loads(found.report.to_json()),
    }
    return document if found.report.ok else document | error_document(found.report.refusal())


def show_audit(found: TableAudit) -> None:
    """Print what was found, then the first rows that differ."""
    show_report(found.report)
    if not found.report.ok:
        report(found.report.refusal(), as_json=False)
        return
    result = found.result
    lines = [
        ("表 table", found.table),
        ("版本 version", f"{found.dataset}@{found.version}"),
        ("表中的行 rows in the table", count(result.rows)),
        ("版本中的行 rows in the version", count(result.version_rows)),
        ("仅在表中 only in the table", count(result.only_in_source)),
        ("仅在版本中 only in the version", count(result.only_in_version)),
        ("不同 differing", count(result.differing)),
    ]
    show(table("核对 audit", ("项目 item", "结果 result"), lines))
    if found.rows:
        rows = [(row.key, _HOW.get(row.how, row.how), ", ".join(row.fields)) for row in found.rows]
        show(table("差异 differences", ("主键 key", "情况 how", "字段 fields"), rows))
    if len(found.rows) < result.only_in_source + result.only_in_version + result.differing:
        total = result.only_in_source + result.only_in_version + result.differing
        stdout().print(f"… 显示前 shown: {count(len(found.rows))} / {count(total)} (--limit)")
    if found.equal:
        say("一致 the table equals the version", "green")
    else:
        say("有差异 the table differs from the version", "bold red")
