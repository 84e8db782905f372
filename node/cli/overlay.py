"""`guotu overlay`: how much of what lies in given zones, computed at the owners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guotu.model.errors import GuotuError
from node.cli import exit_codes
from node.cli.asking import AskedOverlay
from node.cli.examples import examples
from node.cli.failure import report
from node.cli.group_form import chosen_group_form, group_form_options
from node.cli.json_option import json_option, pass_session
from node.cli.question_options import overlay_options
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.client import Client
    from guotu.model.question import Overlay
    from node.cli.formats import Format


@click.command(
    short_help="叠加分析 lay features over zones",
    epilog=examples(
        "guotu overlay projects.shp --with dltb --group-by DLBM --zone-field XMMC",
        "guotu overlay plots.gpkg --with dltb --with landcover --json",
        "guotu overlay site.geojson --with 510100/dltb --version 3 --where \"DLBM LIKE '01%'\"",
        "guotu overlay projects.zip --layer 项目 --encoding GB18030 --crs EPSG:4544 --with dltb -o shares.csv",
    ),
)
@overlay_options
@group_form_options
@json_option
@pass_session
def overlay(session: Session, asked: AskedOverlay, form: str | None, output: Path | None, as_json: bool) -> int:
    """叠加分析 lay features over zones: count, ellipsoidal area and share of each zone, by group.

    ZONES 为面文件，格式与坐标系同 publish。图斑与分区有公共面积（至少 0.0001 m²）才计数；面积为精确小数，表格中另列公顷
    （四舍五入两位）与占比。多个 --with 逐个作答。所有分区问题一次报告。

    ZONES is a file of polygons, of any format and CRS that can be published. A feature counts in a zone with which it
    has an area in common (at least 0.0001 m²). Areas are exact; tables also show hectares, half-up, and shares. Several
    --with are answered one after the other. All faults of the zones are told at once.
    """
    chosen = chosen_group_form(
        form, output, as_json, "叠加结果写为 csv 或 parquet overlays are written as csv or parquet"
    )
    if chosen is not None and len(asked.subjects) > 1:
        raise click.UsageError("写文件时只能有一个 --with a file takes the answer to one --with")
    with session.client() as mesh:
        asking = Asking(session, mesh, chosen, output)
        questions = asked.questions()
        if as_json and len(questions) > 1:
            return asking.array(questions)
        return worst(asking.one(question, as_json) for question in questions)


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of several questions: that of the first that did not end well."""
    return next((code for code in list(codes) if code != exit_codes.OK), exit_codes.OK)


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks one question after the other, and hands the answers over."""

    session: Session
    mesh: Client
    chosen: Format | None
    output: Path | None

    def one(self, question: Overlay, as_json: bool) -> int:
        """Ask one; returns its exit code."""
        from node.cli.deliver import deliver_file, deliver_json
        from node.cli.groups import deliver_overlay

        with self.session.answer(self.mesh, question) as answer:
            if self.chosen is not None:
                deliver_file(answer, self.chosen, self.output, as_json)
            elif as_json:
                deliver_json(answer)
            else:
                deliver_overlay(answer, question, self.mesh.collection(question.collection))
        return exit_codes.OK if answer.completeness.complete else exit_codes.PARTIAL

    def array(self, questions: Sequence[Overlay]) -> int:
        """Ask several as one JSON document, an array; it ends with the first that fails."""
        codes = [exit_codes.OK]
        for question in questions:
            click.echo("[" if len(codes) == 1 else ",", nl=False)
            try:
                codes.append(self.one(question, as_json=True))
            except GuotuError as failure:
                codes.append(report(failure, as_json=True))
                break
            except click.exceptions.Exit as ended:  # the failure stands in the document
                codes.append(ended.exit_code)
                break
        click.echo("]")
        return worst(codes)
