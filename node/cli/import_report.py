"""A publish's report for people and programs: all findings, grouped, with the first keys of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from node.cli.console import stdout
from node.cli.documents import dataset_document
from node.cli.failure import error_document
from node.cli.publish_progress import STAGES, stage_name
from node.cli.wording import count

if TYPE_CHECKING:
    from node.cli.publication import Publication
    from node.ingest.report import Fault, ImportReport


def publication_document(publication: Publication) -> dict[str, Any]:
    """Return {dataset, published, dry_run, head, report, seconds}, and "error" if the layer was refused."""
    document: dict[str, Any] = {
        "dataset": publication.dataset,
        "published": publication.published,
        "dry_run": publication.dry_run,
        "head": None if publication.head is None else dataset_document(publication.head),
        "report": json.loads(publication.report.to_json()),
        "seconds": dict(publication.seconds),
    }
    if not publication.report.ok:
        document |= error_document(publication.report.refusal())
    return document


def show_publication(publication: Publication) -> None:
    """Print the report, then what became of the dataset and the time by stage."""
    show_report(publication.report)
    stdout().print(_outcome(publication))
    times = [
        f"{stage_name(stage)} {publication.seconds[stage]:.2f}" for stage in STAGES if stage in publication.seconds
    ]
    total = publication.seconds.get("total", 0.0)
    rate = publication.report.rows / total if total else 0.0
    if times:
        stdout().print(f"用时 seconds: {', '.join(times)}; 合计 total {total:.2f} ({rate:,.0f} 行/秒 rows/s)")


def _outcome(publication: Publication) -> Text:
    head = publication.head
    version = "" if head is None else f"{head.dataset}@{head.version}"
    if publication.published:
        assert head is not None
        return Text(
            f"已发布 published {version}: {count(head.rows)} 行 rows, 摘要 digest {head.digest[:16]}", "bold green"
        )
    if not publication.report.ok:
        kept = f"仍为 stays {version}" if version else "未写入任何内容 nothing was written"
        return Text(f"未发布 not published; {publication.dataset} {kept}", "bold red")
    if publication.dry_run:
        return Text("检查通过，未发布 checks passed, not published (--dry-run)", "green")
    return Text(f"内容未变，仍为 nothing changed, the head stays {version}", "green")


def show_report(report: ImportReport) -> None:
    """Print all findings."""
    console = stdout()
    console.print(f"来源 source: {report.source}  图层 collection: {report.collection}  {count(report.rows)} 行 rows")
    _show_findings("问题 faults", report.faults, "bold red")
    _show_findings("提示 notices", report.notices, "bold yellow")
    if report.repairs is not None:
        repairs = report.repairs
        console.print(
            f"修复图形 repaired geometries: {count(repairs.count)} ({', '.join(repairs.keys)}); 面积 area "
            f"{repairs.area_before_m2:,.2f} → {repairs.area_after_m2:,.2f} m², "
            f"单个最大变化 largest change {repairs.largest_change_m2:,.2f} m²"
        )


def _show_findings(title: str, findings: Sequence[Fault], style: str) -> None:
    if not findings:
        return
    stdout().print(Text(f"{title}: {len(findings)}", style))
    for finding in findings:
        stdout().print(finding_text(finding))


def finding_text(finding: Fault) -> Text:
    """Return one finding: kind and count, both sentences with remedies, and the first keys concerned."""
    number = f" ×{count(finding.count)}" if finding.count else ""
    text = Text(f"  {finding.kind}{number}\n", "bold")
    text.append(f"    {finding.chinese}  {finding.remedy_chinese}".rstrip() + "\n", "default")
    text.append(f"    {finding.english}  {finding.remedy_english}".rstrip(), "default")
    if finding.keys:
        more = " …" if finding.count > len(finding.keys) else ""
        text.append(f"\n    主键 keys: {', '.join(finding.keys)}{more}", "default")
    return text
