"""`guotu explain`: how a question would be answered, and what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from node.cli import exit_codes
from node.cli.asking import AskedOverlay, AskedQuery, AskedStats
from node.cli.asking_more import AskedCount, AskedHistogram, AskedNearest, AskedQuantiles
from node.cli.examples import examples
from node.cli.json_option import json_option, pass_session
from node.cli.more_options import (
    count_options,
    distinct_options,
    histogram_options,
    nearest_options,
    quantile_options,
)
from node.cli.question_options import overlay_options, query_options, stats_options
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.client import Client
    from guotu.model.question import Question

_ANALYZE = click.option(
    "--analyze", is_flag=True, help="实际执行并报告各成员 answer it too, and tell what happened at each member"
)


@click.group(
    short_help="说明如何回答 tell how a question is answered",
    epilog=examples(
        "guotu explain query landcover --within 510100",
        "guotu explain stats landcover --group-by igbp --sum area_m2 --analyze",
    ),
)
def explain() -> None:
    """说明如何回答：问谁、不问谁、为什么 tell how a question is answered: who is asked, who is not, and why."""


@explain.command(
    "query",
    short_help="查询 a retrieval",
    epilog=examples(
        "guotu explain query dltb --bbox 103.9,30.5,104.2,30.8 --where \"DLBM = '0101'\"",
        "guotu explain query 510100/dltb --version 3 --analyze",
    ),
)
@query_options
@_ANALYZE
@json_option
@pass_session
def explain_query(session: Session, asked: AskedQuery, analyze: bool, as_json: bool) -> int:
    """说明一次查询 explain a retrieval; options as in `guotu query`."""
    with session.client() as mesh:
        return _explain(mesh, asked.question(), analyze, as_json)


@explain.command(
    "stats",
    short_help="统计 a grouping question",
    epilog=examples(
        "guotu explain stats dltb --group-by county --sum TBMJ --analyze --json",
    ),
)
@stats_options
@_ANALYZE
@json_option
@pass_session
def explain_stats(session: Session, asked: AskedStats, analyze: bool, as_json: bool) -> int:
    """说明一次统计 explain a grouping question; options as in `guotu stats`."""
    with session.client() as mesh:
        return _explain(mesh, asked.question(), analyze, as_json)


@explain.command(
    "nearest",
    short_help="最近要素 a question for the nearest features",
    epilog=examples(
        "guotu explain nearest dltb 104.06 30.67 --analyze",
    ),
)
@nearest_options
@_ANALYZE
@json_option
@pass_session
def explain_nearest(session: Session, asked: AskedNearest, analyze: bool, as_json: bool) -> int:
    """说明最近要素的查找 explain a question for the nearest features; options as in `guotu nearest`."""
    with session.client() as mesh:
        return _explain(mesh, asked.question(), analyze, as_json)


@explain.command(
    "count",
    short_help="要素数 a question for a count",
    epilog=examples(
        "guotu explain count dltb --within 510100 --estimate",
    ),
)
@count_options
@_ANALYZE
@json_option
@pass_session
def explain_count(session: Session, asked: AskedCount, analyze: bool, as_json: bool) -> int:
    """说明一次计数 explain a question for a count; options as in `guotu count`."""
    with session.client() as mesh:
        return _explain(mesh, asked.question(), analyze, as_json)


@explain.command(
    "distinct",
    short_help="不同取值 a question for distinct values",
    epilog=examples(
        "guotu explain distinct dltb DLBM --analyze",
    ),
)
@distinct_options
@_ANALYZE
@json_option
@pass_session
def explain_distinct(session: Session, asked: AskedStats, analyze: bool, as_json: bool) -> int:
    """说明不同取值的求法 explain a question for distinct values; options as in `guotu distinct`."""
    with session.client() as mesh:
        return _explain(mesh, asked.question(), analyze, as_json)


@explain.command(
    "histogram",
    short_help="分级计数 a question for classes",
    epilog=examples(
        "guotu explain histogram dltb TBMJ --bins 20 --analyze",
    ),
)
@histogram_options
@_ANALYZE
@json_option
@pass_session
def explain_histogram(session: Session, asked: AskedHistogram, analyze: bool, as_json: bool) -> int:
    """说明一次分级计数 explain a question for classes; options as in `guotu histogram`."""
    with session.client() as mesh:
        return _explain(mesh, asked.question(), analyze, as_json)


@explain.command(
    "quantiles",
    short_help="分位数 a question for quantiles",
    epilog=examples(
        "guotu explain quantiles dltb TBMJ --at 0.5 --analyze",
    ),
)
@quantile_options
@_ANALYZE
@json_option
@pass_session
def explain_quantiles(session: Session, asked: AskedQuantiles, analyze: bool, as_json: bool) -> int:
    """说明分位数的求法 explain a question for quantiles; options as in `guotu quantiles`."""
    with session.client() as mesh:
        return _explain(mesh, asked.question(), analyze, as_json)


@explain.command(
    "overlay",
    short_help="叠加分析 an overlay",
    epilog=examples(
        "guotu explain overlay projects.shp --with dltb --group-by DLBM --analyze",
    ),
)
@overlay_options
@_ANALYZE
@json_option
@pass_session
def explain_overlay(session: Session, asked: AskedOverlay, analyze: bool, as_json: bool) -> int:
    """说明一次叠加分析 explain an overlay; options as in `guotu overlay`, with one --with."""
    if len(asked.subjects) > 1:
        raise click.UsageError("只能有一个 --with one --with can be explained at a time")
    with session.client() as mesh:
        return _explain(mesh, asked.questions(mesh.boundary)[0], analyze, as_json)


def _explain(mesh: Client, question: Question, analyze: bool, as_json: bool) -> int:
    from node.cli.console import emit_json, stdout
    from node.cli.documents import analysis_document, plan_document
    from node.cli.plan_tree import analysis_lines, plan_tree

    plan, happened = mesh.explain(question, analyze)
    if as_json:
        analysis = None if happened is None else analysis_document(happened)
        emit_json({"plan": plan_document(plan), "analysis": analysis})
    else:
        stdout().print(plan_tree(plan, happened))
        for line in analysis_lines(happened):
            stdout().print(line)
    partial = happened is not None and not happened.completeness.complete
    return exit_codes.PARTIAL if partial else exit_codes.OK
