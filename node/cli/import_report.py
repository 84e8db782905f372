"""A publish's report for people and programs: all findings, grouped, with the first keys of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from node.cli.change_table import change_document, change_table
from node.cli.console import show, stdout, table
from node.cli.documents import dataset_document
from node.cli.failure import error_document
from node.cli.publish_progress import STAGES, stage_name
from node.cli.wording import count, size

if TYPE_CHECKING:
    from rich.text import Text

    from node.cli.publication import Publication
    from node.ingest.report import Fault, ImportReport, MisfitRow

MISFITS_SHOWN = 20
"""Rows that do not fit, as shown to people; programs read them all (of the report)."""


def publication_document(publication: Publication) -> dict[str, Any]:
    """Return {dataset, published, dry_run, head, change, bytes, report, seconds}, and "error" if it was refused."""
    document: dict[str, Any] = {
        "dataset": publication.dataset,
        "published": publication.published,
        "dry_run": publication.dry_run,
        "head": None if publication.head is None else dataset_document(publication.head),
        "change": None if publication.change is None else change_document(publication.change),
        "bytes": publication.size_bytes,
        "report": json.loads(publication.report.to_json()),
        "seconds": dict(publication.seconds),
    }
    if not publication.report.ok:
        document |= error_document(publication.report.refusal())
    return document


def show_publication(publication: Publication) -> None:
    """Print the report and the change, then what became of the dataset and the time by stage."""
    show_report(publication.report)
    if publication.change is not None and publication.change.count:
        show(change_table(publication.change))
    stdout().print(_outcome(publication))
    times = [
        f"{stage_name(stage)} {publication.seconds[stage]:.2f}" for stage in STAGES if stage in publication.seconds
    ]
    total = publication.seconds.get("total", 0.0)
    rate = publication.report.rows / total if total else 0.0
    if times:
        stdout().print(f"用时 seconds: {', '.join(times)}; 合计 total {total:.2f} ({rate:,.0f} 行/秒 rows/s)")


def _outcome(publication: Publication) -> Text:
    from rich.text import Text

    head = publication.head
    version = "" if head is None else f"{head.dataset}@{head.version}"
    if publication.published:
        assert head is not None
        sent = f", {size(publication.size_bytes)}" if publication.size_bytes else ""
        told = f"已发布 published {version}: {count(head.rows)} 行 rows, 摘要 digest {head.digest[:16]}{sent}"
        return Text(told, "bold green")
    if not publication.report.ok:
        kept = f"仍为 stays {version}" if version else "未写入任何内容 nothing was written"
        return Text(f"未发布 not published; {publication.dataset} {kept}", "bold red")
    if publication.dry_run:
        same = publication.change is not None and not publication.change.count
        result = "；内容未变 and nothing would change" if same else ""
        return Text(f"检查通过，未发布 checks passed, not published (--dry-run){result}", "green")
    return Text(f"内容未变，仍为 nothing changed, the head stays {version}", "green")


def show_report(report: ImportReport) -> None:
    """Print all findings."""
    console = stdout()
    console.print(f"来源 source: {report.source}  图层 collection: {report.collection}  {count(report.rows)} 行 rows")
    _show_findings("问题 faults", report.faults, "bold red")
    _show_misfits(report.misfits)
    _show_findings("提示 notices", report.notices, "bold yellow")
    if report.repairs is not None:
        repairs = report.repairs
        console.print(
            f"修复图形 repaired geometries: {count(repairs.count)} ({', '.join(repairs.keys)}); 面积 area "
            f"{repairs.area_before_m2:,.2f} → {repairs.area_after_m2:,.2f} m², "
            f"单个最大变化 largest change {repairs.largest_change_m2:,.2f} m²"
        )


def _show_misfits(misfits: Sequence[MisfitRow]) -> None:
    """Print the first rows that do not fit, one by one."""
    if not misfits:
        return
    columns = ("主键 key", "问题 fault", "字段 field", "注明 stated", "现有 present")
    rows = [(row.key, row.kind, row.field, row.stated, row.present) for row in misfits[:MISFITS_SHOWN]]
    show(table("与现有数据不符的行 rows that do not fit", columns, rows))
    if len(misfits) > MISFITS_SHOWN:
        stdout().print(f"… 显示前 shown: {MISFITS_SHOWN} / {count(len(misfits))} (--json)")


def _show_findings(title: str, findings: Sequence[Fault], style: str) -> None:
    from rich.text import Text

    if not findings:
        return
    stdout().print(Text(f"{title}: {len(findings)}", style))
    for finding in findings:
        stdout().print(finding_text(finding))


def finding_text(finding: Fault) -> Text:
    """Return one finding: kind and count, both sentences with remedies, and the first keys concerned."""
    from rich.text import Text

    number = f" ×{count(finding.count)}" if finding.count else ""
    text = Text(f"  {finding.kind}{number}\n", "bold")
    text.append(f"    {finding.chinese}  {finding.remedy_chinese}".rstrip() + "\n", "default")
    text.append(f"    {finding.english}  {finding.remedy_english}".rstrip(), "default")
    if finding.keys:
        more = " …" if finding.count > len(finding.keys) else ""
        text.append(f"\n    主键 keys: {', '.join(finding.keys)}{more}", "default")
    return text
