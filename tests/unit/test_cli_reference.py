"""docs/reference/cli.md: nothing of the command line is missing in it, and nothing in it is made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from guotu.model import errors
from node.cli import exit_codes
from node.cli.formats import FORMATS
from node.cli.program import program

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs/how-to/run-a-node.md").read_text(encoding="utf-8")
PUBLISHING = (ROOT / "docs/how-to/publish-a-layer.md").read_text(encoding="utf-8")
TOLD_BY_HELP = {"--help", "--json", "--etcd", "--local", "--prune", "--yes", "--force", "--output"}


def commands(group: click.Group = program, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def options(command: click.Command) -> set[str]:
    return {name for item in command.params for name in item.opts if name.startswith("--")}


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_stands_in_the_reference(name: str) -> None:
    assert f"`{name}" in PAGE


@pytest.mark.parametrize("name", ["query", "stats", "explain query", "explain stats"])
def test_every_option_of_a_question_stands_in_the_reference(name: str) -> None:
    wanted = options(dict(commands())[name]) - TOLD_BY_HELP
    assert {option for option in wanted if option not in PAGE} == set()


def test_every_global_option_stands_in_the_reference() -> None:
    assert {option for option in options(program) - TOLD_BY_HELP if f"`{option}`" not in PAGE} == set()


@pytest.mark.parametrize("page", [PAGE, GUIDE, PUBLISHING], ids=["cli", "run-a-node", "publish-a-layer"])
def test_no_option_is_made_up(page: str) -> None:
    known = options(program).union(*(options(command) for _, command in commands()), {"--help"})
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", page))
    assert named - known == set()


def test_every_exit_code_stands_in_the_reference_with_its_errors() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.MULTILINE))
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    assert codes - {exit_codes.INTERRUPTED, exit_codes.BROKEN_PIPE, exit_codes.TERMINATED} == set(map(int, rows))
    for kind in errors.error_classes():
        if not kind.__subclasses__():
            row = rows[str(exit_codes.exit_code(kind))]
            prefix = kind.reason.partition("_")[0] + "_*"
            assert kind.reason in row or prefix in row, kind.reason


def test_every_format_stands_in_the_reference_with_its_suffixes() -> None:
    for name, form in FORMATS.items():
        (row,) = re.findall(rf"^\| `{name}` \| .*$", PAGE, re.MULTILINE)
        assert all(suffix in row for suffix in form.suffixes)
        assert (FORMATS[name].sidecar) == ("answer.json" in row)
