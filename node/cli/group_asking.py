"""Asking for groups, and handing them over in the form that was chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from node.cli import exit_codes
from node.cli.group_form import chosen_group_form

if TYPE_CHECKING:
    from guotu.answering import Answer
    from guotu.model.collection import Collection
    from guotu.model.question import Stats
    from node.cli.session import Session

    Show = Callable[[Answer, Stats, Collection], None]
    """Shows an answer on the screen."""


@dataclass(frozen=True, slots=True)
class GroupForm:
    """Where groups go, as given."""

    form: str | None
    output: Path | None
    as_json: bool


class Questioned(Protocol):
    """What was given of a question for groups."""

    def question(self) -> Stats:
        """Return the question."""


def show_rows(answer: Answer, question: Stats, collection: Collection) -> None:
    """Show the rows as they are, then what the answer says of itself."""
    from guotu.model.overlay import COUNT
    from node.cli.deliver import deliver_table

    deliver_table(answer, (COUNT,))


def ask_groups(session: Session, asked: Questioned, given: GroupForm, show: Show) -> int:
    """Ask for groups; returns the exit code.

    Raises: as `chosen_group_form`, `Questioned.question` and `guotu.answering.Answer`.
    """
    from node.cli.deliver import deliver_file, deliver_json

    refusal = "统计结果写为 csv 或 parquet groups are written as csv or parquet"
    chosen = chosen_group_form(given.form, given.output, given.as_json, refusal)
    with session.client() as mesh:
        question = asked.question()
        with session.answer(mesh, question) as answer:
            if chosen is not None:
                deliver_file(answer, chosen, given.output, given.as_json)
            elif given.as_json:
                deliver_json(answer)
            else:
                show(answer, question, mesh.collection(question.collection))
    return exit_codes.OK if answer.completeness.complete else exit_codes.PARTIAL
