"""What the demonstration shows: headings, questions with their command line and answer, checks. Chinese first."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import indent
from typing import Any

import pyarrow as pa
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from demo.asking import Asked
from demo.checks import Check
from demo.replica import End, First, Replication
from demo.report import STEPS, Report
from guotu.model.answer import Completeness, Outcome
from guotu.model.collection import GEOMETRY
from guotu.model.records import DatasetRecord, NodeRecord
from node.cli.change_table import change_table
from node.cli.console import table
from node.cli.diff_stream import DiffStream
from node.cli.diff_table import diff_table
from node.cli.formats.table import cells, is_number
from node.cli.groups import hectares
from node.cli.outcomes import completeness_line
from node.cli.plan_tree import plan_tree
from node.cli.wording import count
from registry.gazetteer import Gazetteer

_WIDTH = 120
_INDENT = (0, 0, 0, 2)
_AREAS = ("area_m2", "sum_area_m2")
_DIVISIONS = ("adcode", "province", "parent")
SHOWN_ROWS = 15
"""Rows of an answer that are shown."""


class Screen:
    """Writes to standard output."""

    def __init__(self, color: bool = True) -> None:
        width = None if sys.stdout.isatty() else _WIDTH
        self._console = Console(no_color=not color, width=width, highlight=False, markup=False, emoji=False)
        self._gazetteer = Gazetteer.load()
        self._steps = 0

    def heading(self, title: str) -> None:
        """Begin a step."""
        self._steps += 1
        self._console.print()
        self._console.print(Rule(Text(f"{self._steps}  {title}", "bold"), align="left"))

    def say(self, text: str, style: str = "") -> None:
        """Write lines, not broken by us, so that commands can be copied."""
        self._console.print(Text(indent(text, "  "), style), soft_wrap=True)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Show on a terminal that something is under way."""
        with self._console.status(Text(text)):
            yield

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Any]:
        """Show a bar on a terminal; yields a function that moves it on by one and writes a line."""
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        terminal = self._console.is_terminal
        with Progress(*columns, console=self._console, transient=True, disable=not terminal) as bar:
            task = bar.add_task(title, total=total)

            def step(line: str) -> None:
                bar.advance(task)
                self.say(line)

            yield step

    def nodes(self, nodes: Sequence[NodeRecord]) -> None:
        """Show who is registered."""
        rows = [(node.node, node.name, node.address, node.store) for node in nodes]
        self._show(table("", ("节点 node", "名称 name", "地址 address", "存储 store"), rows))

    def datasets(self, datasets: Sequence[DatasetRecord]) -> None:
        """Show who holds what."""
        columns = ("数据集 dataset", "版本 version", "行 rows", "面积 territory km²", "摘要 digest")
        rows = [
            (item.dataset, item.version, count(item.rows), f"{item.territory_m2 / 1e6:,.0f}", item.digest[:16])
            for item in datasets
        ]
        self._show(table("", columns, rows, columns[1:4]))

    def question(self, asked: Asked, chosen: pa.Table | None = None) -> None:
        """Show a question, the command that asks the same, and its answer, or the rows `chosen` of it."""
        self._console.print()
        self.say(f"问 {asked.asked.title}", "bold")
        self.say(f"$ {asked.asked.command}", "cyan")
        if asked.plan is not None and asked.asked.explained:
            self._show(plan_tree(asked.plan, asked.trailer))
        elif asked.table is not None:
            self._rows(asked.table if chosen is None else chosen, len(asked.table))
        if asked.error is not None:
            self.say(asked.error.message, "bold red")
        self.say(self._account(asked), "dim")

    def members(self, asked: Asked) -> None:
        """Show what became of each member in a question."""
        if asked.completeness is not None:
            self._show(_members_table(asked.completeness))
            style = "green" if asked.completeness.complete else "bold yellow"
            self.say(completeness_line(asked.completeness), style)

    def replicas(self, first: First) -> None:
        """Show the replicas that a subscription led to."""
        columns = ("数据集 dataset", "版本 version", "行 rows", "状态 state")
        rows = [(item.dataset, item.version, count(item.rows), item.state) for item in first.replicas]
        self._show(table("", columns, rows, columns[1:3]))
        shipped = f"传输 shipped {count(first.shipped_bytes)} B"
        self.say(f"{count(first.rows)} 行 rows  ·  {shipped}  ·  {first.seconds:.1f} s", "dim")

    def journey(self, found: Replication) -> None:
        """Show what an edit cost on its way, and that both ends hold the same."""
        shipped = found.shipped
        if shipped is None:
            return
        share = shipped.shipped_bytes / shipped.whole_bytes
        rows = [
            ("传输字节 bytes shipped", f"{count(shipped.shipped_bytes)} B"),
            ("整层字节 bytes of the whole layer", f"{count(shipped.whole_bytes)} B ({share:.1%})"),
            ("发布用时 time to publish", f"{shipped.published_s:.2f} s"),
            ("至副本证实 time to the proven replica", f"{shipped.proven_s:.2f} s"),
            *((f"{end.node} 摘要 digest @{end.verified.version}", end.verified.digest) for end in found.ends),
        ]
        self._show(table("", ("变更的行程 journey of the edit", f"{shipped.dataset}@{shipped.version}"), rows))
        same = len({end.verified.digest for end in found.ends}) == 1
        verdict = "摘要相同 the digests are equal" if same else "摘要不同 the digests are NOT equal"
        self.say(verdict, "green" if same else "bold red")
        self._versions(found.before, found.ends)

    def _versions(self, before: str, ends: Sequence[End]) -> None:
        """Show what each end answers from each version."""
        columns = ("结果摘要 result digest", *(f"版本 version {version}" for version in ends[0].answers))
        rows = [(end.node, *(digest[:16] for digest in end.answers.values())) for end in ends]
        self._show(table("", columns, [("变更之前 before the edit", before[:16], ""), *rows]))

    def difference(self, command: str, stream: DiffStream) -> None:
        """Show how two versions differ, and the command that asks the same."""
        self.say(f"$ {command}", "cyan")
        lines = diff_table(stream, {})
        self._show(change_table(stream.change))
        self._show(lines)

    def checks(self, checks: Sequence[Check]) -> None:
        """Show what was checked, and what differs."""
        for check in checks:
            mark, style = ("✓", "green") if check.passed else ("✗", "bold red")
            self.say(f"{mark} {check.title}  ({count(check.compared)})", style)
            for difference in check.differences:
                self.say(f"    {difference}", "red")

    def summary(self, report: Report) -> None:
        """Show how long each step took, and whether every check passed."""
        self._console.print()
        rows = [(STEPS[step], f"{spent:.1f}") for step, spent in report.seconds.items()]
        self._show(table("", ("步骤 step", "秒 s"), rows, ("秒 s",)))
        failed = [check.title for check in report.checks if not check.passed]
        if failed:
            self.say(f"{len(failed)} 项核对未通过 checks failed: {'; '.join(failed)}", "bold red")
        else:
            self.say(f"{len(report.checks)} 项核对全部通过 all {len(report.checks)} checks passed", "bold green")

    def failure(self, text: str) -> None:
        """Show why the demonstration ended early."""
        self._console.print()
        self.say(text, "bold red")

    def _account(self, asked: Asked) -> str:
        parts = [f"{count(asked.rows)} 行 rows"] if asked.error is None else []
        if asked.completeness is not None:
            members = asked.completeness.members
            kinds = sorted({str(member.outcome) for member in members})
            told = (f"{kind} {sum(member.outcome == kind for member in members)}" for kind in kinds)
            parts.append(f"成员 members: {', '.join(told)}")
        if asked.trailer is not None:
            parts += [completeness_line(asked.trailer.completeness), f"摘要 digest {asked.digest[:16]}"]
        return "  ·  ".join([*parts, f"{asked.milliseconds:,.0f} ms"])

    def _rows(self, answer: pa.Table, rows: int) -> None:
        shown = answer.slice(0, SHOWN_ROWS)
        self._show(self._table(shown))
        if len(shown) < rows:
            self.say(f"… 显示 shown: {count(len(shown))} / {count(rows)} 行 rows", "dim")

    def _table(self, shown: pa.Table) -> Table:
        """Return rows for people: divisions with their name, areas also in hectares."""
        columns: dict[str, Sequence[str]] = {}
        numeric: list[str] = []
        # A table with names of its own needs no second name beside the code.
        named = _DIVISIONS[1:] if "name" in shown.column_names else _DIVISIONS
        for field in shown.schema:
            column = shown[field.name]
            columns[field.name] = self._divisions(column) if field.name in named else cells(column)
            if field.name in _AREAS:
                header = "公顷 ha"
                columns[header] = [hectares(value) for value in column.to_pylist()]
                numeric.append(header)
            if is_number(field.type) and field.name != GEOMETRY:
                numeric.append(field.name)
        return table("", list(columns), zip(*columns.values(), strict=True), numeric)

    def _divisions(self, codes: pa.ChunkedArray) -> list[str]:
        return [f"{code} {self._gazetteer.name(code)}" for code in codes.to_pylist()]

    def _show(self, what: RenderableType) -> None:
        self._console.print(Padding(what, _INDENT, expand=False))


def _members_table(completeness: Completeness) -> Table:
    """Return what became of each member that was asked."""
    columns = ("数据集 dataset", "结果 outcome", "原因 reason", "版本 version", "经由 via", "毫秒 ms")
    rows = [
        (item.dataset, item.outcome, item.reason, item.version, item.via, f"{item.elapsed_ms:.0f}")
        for item in completeness.members
        if item.outcome is not Outcome.PRUNED
    ]
    return table("", columns, rows, ("版本 version", "毫秒 ms"))
