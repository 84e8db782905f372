"""`guotu distinct`: the different values of fields, and how many features have them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.asking import AskedStats
from node.cli.examples import examples
from node.cli.group_asking import GroupForm, ask_groups
from node.cli.group_form import group_form_options
from node.cli.json_option import json_option, pass_session
from node.cli.more_options import distinct_options
from node.cli.session import Session

if TYPE_CHECKING:
    from guotu.answering import Answer
    from guotu.model.collection import Collection
    from guotu.model.question import Stats


@click.command(
    short_help="不同取值 distinct values",
    epilog=examples(
        "guotu distinct dltb DLBM,DLMC",
        "guotu distinct dltb QSDWMC --top 20 --within-division 成都市",
        "guotu distinct 510100/dltb county --json",
    ),
)
@distinct_options
@group_form_options
@json_option
@pass_session
def distinct(session: Session, asked: AskedStats, form: str | None, output: Path | None, as_json: bool) -> int:
    """不同取值及其要素数 the different values of fields, or of several together, and how many features have each.

    FIELD 为字段，或 province/prefecture/county。按取值排序，--top 按要素数。最多 1,000,000 个。部分结果中“至少”有这些。

    FIELD is a field, or a division level. Rows come by value, with --top by count; at most 1,000,000. A partial answer
    has at least these.
    """
    return ask_groups(session, asked, GroupForm(form, output, as_json), _deliver)


def _deliver(answer: Answer, question: Stats, collection: Collection) -> None:
    from node.cli.console import stdout
    from node.cli.groups import deliver_groups
    from node.cli.wording import count

    deliver_groups(answer, question, collection)
    least = "" if answer.completeness.complete and not question.top else "至少 at least "
    stdout().print(f"{least}{count(answer.trailer.rows)} 个不同取值 distinct values")
