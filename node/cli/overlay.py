"""`guotu overlay`: how much of what lies in given zones, computed at the owners."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from guotu.model.errors import GuotuError
from node.cli import exit_codes
from node.cli.asking import AskedOverlay, GivenSource
from node.cli.examples import examples
from node.cli.failure import report
from node.cli.group_form import chosen_group_form, group_form_options
from node.cli.json_option import json_option, pass_session
from node.cli.question_options import overlay_options
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.answering import Answer
    from guotu.client import Client
    from guotu.model.question import LayerOverlay, Overlay
    from node.cli.formats import Format


@click.command(
    short_help="叠加分析 lay features over zones",
    epilog=examples(
        "guotu overlay projects.shp --with dltb --group-by DLBM --zone-field XMMC",
        "guotu overlay plots.gpkg --with dltb --with landcover --json",
        "guotu overlay site.geojson --with 510100/dltb --version 3 --where \"DLBM LIKE '01%'\"",
        'guotu overlay --zone "甲=POLYGON((104 30,105 30,105 31,104 30))" --zone @sites.geojson --with dltb',
        'guotu overlay --zones-from "yjjbntbhtb" --zones-by county --with dltb --group-by DLBM '
        "--resume job -o cross.csv",
        "guotu overlay projects.zip --layer 项目 --encoding GB18030 --crs EPSG:4544 --with dltb -o shares.csv",
    ),
)
@overlay_options
@click.option(
    "--resume",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="--zones-from 的作业目录：中断后凭此接着做 folder of the job of --zones-from, to go on with after a break",
)
@group_form_options
@json_option
@pass_session
def overlay(
    session: Session, asked: AskedOverlay, resume: Path | None, form: str | None, output: Path | None, as_json: bool
) -> int:
    """叠加分析 lay features over zones: count, ellipsoidal area and share of each zone, by group.

    ZONES 为面文件，格式与坐标系同 publish；--zone 为手绘的面，WKT 或 GeoJSON。图斑与分区有公共面积（至少 0.0001 m²）
    才计数；面积为精确小数，表格中另列公顷（四舍五入两位）与占比。多个 --with 逐个作答。所有分区问题一次报告。

    --zones-from 以另一图层的图斑为分区：逐成员就地叠加，按 --zones-by 与 --group-by 汇总，显示进度，--resume 可接着做。

    ZONES is a file of polygons, of any format and CRS that can be published; --zone a drawn one, WKT or GeoJSON. A
    feature counts in a zone with which it has an area in common (at least 0.0001 m²). Areas are exact; tables also show
    hectares, half-up, and shares. Several --with are answered one after the other. All faults of the zones are told at
    once.

    With --zones-from the features of another layer are the zones: joined where the data lie, member by member, with
    progress, grouped by --zones-by and --group-by; --resume goes on with what was broken off.
    """
    chosen = chosen_group_form(
        form, output, as_json, "叠加结果写为 csv 或 parquet overlays are written as csv or parquet"
    )
    if chosen is not None and len(asked.subjects) > 1:
        raise click.UsageError("写文件时只能有一个 --with a file takes the answer to one --with")
    if resume is not None and (len(asked.subjects) > 1 or not isinstance(asked.zones, GivenSource)):
        raise click.UsageError("--resume 须有 --zones-from 与一个 --with is for --zones-from with one --with")
    with session.client() as mesh:
        asking = Asking(session, mesh, chosen, output, resume)
        questions = asked.questions(mesh.boundary)
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
    resume: Path | None

    def one(self, question: Overlay | LayerOverlay, as_json: bool) -> int:
        """Ask one; returns its exit code."""
        from node.cli.deliver import deliver_file, deliver_json

        with self._answer(question) as answer:
            if self.chosen is not None:
                deliver_file(answer, self.chosen, self.output, as_json)
            elif as_json:
                deliver_json(answer)
            else:
                self._show(answer, question)
        return exit_codes.OK if answer.completeness.complete else exit_codes.PARTIAL

    def _answer(self, question: Overlay | LayerOverlay) -> AbstractContextManager[Answer]:
        from guotu.model.question import LayerOverlay
        from node.cli.layer_overlay import layer_answer

        if isinstance(question, LayerOverlay):
            return layer_answer(self.mesh, question, self.resume)
        return self.session.answer(self.mesh, question)

    def _show(self, answer: Answer, question: Overlay | LayerOverlay) -> None:
        from guotu.model.question import LayerOverlay
        from node.cli.groups import deliver_layer_overlay, deliver_overlay

        collection = self.mesh.collection(question.collection)
        if isinstance(question, LayerOverlay):
            deliver_layer_overlay(answer, question, collection, self.mesh.collection(question.zones.collection))
        else:
            deliver_overlay(answer, question, collection)

    def array(self, questions: Sequence[Overlay | LayerOverlay]) -> int:
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
