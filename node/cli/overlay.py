"""`guotu overlay`: how much of what lies in given zones, computed at the owners."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli import exit_codes
from node.cli.asking import AskedOverlay
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.question_options import overlay_options
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.answering import Answer
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
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "parquet"]),
    help="输出格式 form of the rows [default: by FILE's suffix, else table]",
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="写入文件 write to FILE"
)
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
    from node.cli.export import chosen_format

    chosen = chosen_format(form or "", output)
    if chosen is not None and chosen.name not in ("csv", "parquet"):
        raise click.UsageError("叠加结果写为 csv 或 parquet overlays are written as csv or parquet")
    if as_json and chosen is not None and output is None:
        raise click.UsageError("--json 与 --format 只取其一 give --json or --format, not both, without -o")
    if chosen is not None and len(asked.subjects) > 1:
        raise click.UsageError("写文件时只能有一个 --with a file takes the answer to one --with")
    with session.client() as mesh:
        questions = asked.questions()
        whole = [
            _answered(session, mesh, question, chosen, output, as_json, frame)
            for question, frame in zip(questions, _frames(len(questions)), strict=True)
        ]
    return exit_codes.OK if all(whole) else exit_codes.PARTIAL


def _frames(count: int) -> list[tuple[str, str]]:
    """Return what stands before and after each JSON document: several make an array."""
    if count == 1:
        return [("", "")]
    return [("[" if place == 0 else ",", "]\n" if place == count - 1 else "") for place in range(count)]


def _answered(
    session: Session,
    mesh: Client,
    question: Overlay,
    chosen: Format | None,
    output: Path | None,
    as_json: bool,
    frame: tuple[str, str],
) -> bool:
    """Answer one question; tells whether the answer is complete."""
    with session.answer(mesh, question) as answer:
        if chosen is None and as_json:
            click.echo(frame[0], nl=False)
            _deliver_json(answer)
            click.echo(frame[1], nl=False)
        elif chosen is not None:
            from node.cli.deliver import deliver_file

            deliver_file(answer, chosen, output, as_json)
        else:
            from node.cli.groups import deliver_overlay

            deliver_overlay(answer, question, mesh.collection(question.collection))
    return answer.completeness.complete


def _deliver_json(answer: Answer) -> None:
    from node.cli.deliver import deliver_json

    deliver_json(answer)
