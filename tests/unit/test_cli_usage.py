"""Help and wrong usage in both languages, Chinese first: also the words that click itself adds."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from node.cli.program import program


@pytest.mark.parametrize(("words", "told"), [
    (["query"], "缺少参数 COLLECTION|DATASET。 Missing argument"),
    (["overlay", "a.shp"], "[ZONES] 的值有误，路径不存在。 Invalid value"),
    (["overlay"], "缺少选项 --with。 Missing option '--with'"),
    (["query", "landcover", "--limitt", "3"], "没有选项 --limitt，是否指 --limit？ No such option '--limitt'"),
    (["query", "landcover", "--zzz", "3"], "没有选项 --zzz。 No such option '--zzz'"),
    (["querry", "anything"], "没有命令 querry，是否指 query？ No such command 'querry'"),
    (["explain", "anything"], "没有命令 anything。 No such command"),
    (["--timeout", "0", "nodes"], "--timeout 的值有误，须为数 > 0。 Invalid value for '--timeout'"),
    (["query", "landcover", "--limit", "x"], "--limit 的值有误，须为整数 ≥ 0。 Invalid value for '--limit'"),
    (["query", "landcover", "--limit"], "选项 --limit 须有值。 Option '--limit' requires an argument"),
    (["query", "landcover", "--partial=1"], "选项 --partial 不带值。 Option '--partial' does not take a value"),
    (["query", "landcover", "--scope", "all"], "--scope 的值有误，须为其中之一：self、subtree。 Invalid value"),
    (["query", "landcover", "--bbox", "1,2"], "--bbox 的值有误。 Invalid value for '--bbox': '1,2': 应为四个数"),
    (["query", "landcover", "--page", "x"], "--page 须与 --page-size 同用 --page goes with"),
    (["query", "landcover", "more"], "多余的参数 more。 Got unexpected extra argument"),
])  # fmt: skip
def test_wrong_usage_is_told_in_both_languages(words: list[str], told: str) -> None:
    result = CliRunner().invoke(program, words)
    assert result.exit_code == 2
    assert f"错误 error: {told}" in result.stderr
    assert not re.search("Usage|Try |Error", result.stderr)


def test_wrong_usage_tells_where_help_is() -> None:
    result = CliRunner().invoke(program, ["query"])
    assert result.stderr.startswith("用法 usage: ")
    assert "query [OPTIONS] COLLECTION|DATASET\n帮助 help: " in result.stderr
    assert "query --help\n\n" in result.stderr


def every(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, below in command.commands.items() if isinstance(command, click.Group) else ():
        yield from every(below, (*path, name))


@pytest.mark.parametrize("path", list(every(program)), ids=" ".join)
def test_headings_of_help_are_in_both_languages(path: tuple[str, ...]) -> None:
    shown = " ".join(CliRunner().invoke(program, [*path, "--help"]).stdout.split())
    assert shown.startswith("用法 usage: ")
    assert "选项 options:" in shown
    assert "显示帮助 show this help" in shown
    assert not re.search(
        r"Usage:|Options:|Commands:|arguments:|Show this message", shown.replace("参数 arguments:", "")
    )
    assert not re.search(r"(?<!必填 )required\]|(?<!环境变量 )env var: ", shown)


def test_defaults_of_help_are_in_both_languages() -> None:
    assert "[默认 default: 60.0; x>0]" in " ".join(CliRunner().invoke(program, ["--help"]).stdout.split())
