"""The outcomes of members, for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from node.cli.console import say, stderr, table
from node.cli.wording import count

if TYPE_CHECKING:
    from rich.table import Table

    from guotu.model.answer import Completeness, MemberOutcome, Notice, Trailer

_SHOWN = 60
_COLUMNS = (
    "数据集 dataset", "结果 outcome", "原因 reason", "版本 version", "行 rows", "毫秒 ms", "经由 via", "说明 detail",
)  # fmt: skip
_NUMERIC = ("版本 version", "行 rows", "毫秒 ms")


def outcomes_table(completeness: Completeness) -> Table:
    """Return a table of the members, those missing first; the pruned ones are counted, not listed."""
    from guotu.model.answer import Outcome

    asked = [member for member in completeness.members if member.outcome is not Outcome.PRUNED]
    asked.sort(key=lambda member: member.outcome.whole)
    made = table("成员 members", _COLUMNS, [_row(member) for member in asked[:_SHOWN]], _NUMERIC)
    rest = Counter(f"{member.outcome}" for member in asked[_SHOWN:])
    rest.update(
        f"{member.outcome} {member.reason}" for member in completeness.members if member.outcome is Outcome.PRUNED
    )
    for what, times in sorted(rest.items()):
        made.add_row("…", what, f"×{times}")
    return made


def _row(member: MemberOutcome) -> tuple[object, ...]:
    outcome = f"{member.outcome} {member.replica}".strip()
    detail = "已截断 cut short; " * member.truncated + member.detail
    return (
        member.dataset or member.node, outcome, member.reason, member.version or "", member.rows,
        f"{member.elapsed_ms:.0f}", member.via, detail,
    )  # fmt: skip


def completeness_line(completeness: Completeness) -> str:
    """Return one line that says whether the answer is whole, and what share of it is missing if it is not."""
    if completeness.complete:
        return "完整 complete"
    lost_rows, lost_territory = 1 - completeness.rows_share, 1 - completeness.territory_share
    return (
        f"不完整 PARTIAL: 缺 missing {len(completeness.missing)} 个成员 members, "
        f"{lost_rows:.1%} 行 of rows, {lost_territory:.1%} 面积 of territory"
    )


def at_least(completeness: Completeness) -> str:
    """Return what stands after the names of totals that members who are missing would only add to."""
    return "" if completeness.complete else " 至少 at least"


def rows_phrase(trailer: Trailer) -> str:
    """Return how many rows there are; of a partial answer, how many there are at least."""
    least = "" if trailer.completeness.complete else "至少 at least "
    return f"{least}{count(trailer.rows)} 行 rows"


def say_warnings(warnings: list[Notice]) -> None:
    """Write the warnings of an answer to stderr."""
    for warning in warnings:
        say(f"注意 warning  {warning.node} {warning.reason}: {warning.message}", "yellow")


def say_partial(completeness: Completeness) -> None:
    """Write to stderr that an answer is partial, and who is missing; nothing if it is complete."""
    if completeness.complete:
        return
    say(completeness_line(completeness), "bold yellow")
    stderr().print(outcomes_table(completeness))
