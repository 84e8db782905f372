"""Wrong usage of the command line, told in both languages: click itself knows English."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import IO, Any

import click

_CHINESE = re.compile("[\u4e00-\u9fff]")
_WHERE = (
    (re.compile("does not exist"), "不存在"),
    (re.compile("is a directory"), "是目录，须为文件"),
    (re.compile("is a file"), "是文件，须为目录"),
)
"""What may be wrong with a path; otherwise it cannot be used."""
_OTHERS = (
    (re.compile(r"unexpected extra arguments? \((.*)\)"), r"多余的参数 \1"),
    (re.compile(r"Option '?([^' ]+)'? requires"), r"选项 \1 须有值"),
    (re.compile(r"Option '?([^' ]+)'? does not take a value"), r"选项 \1 不带值"),
    (re.compile("Missing command"), "缺少命令"),
)
"""Sentences of click that have no class of their own."""


class Misuse(click.UsageError):
    """Wrong usage, with its sentence in Chinese and in English."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print usage, where to find help, and what is wrong."""
        to: dict[str, Any] = {"file": file, "err": file is None}
        if self.ctx is not None:
            click.echo(self.ctx.get_usage(), **to)
            name = max(self.ctx.command.get_help_option_names(self.ctx), key=len)
            click.echo(f"帮助 help: {self.ctx.command_path} {name}\n", **to)
        click.echo(f"错误 error: {self.format_message()}", **to)


def in_both_languages(error: click.UsageError) -> click.UsageError:
    """Return the error to raise; one that shows help is left as it is."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    message = error.format_message()
    chinese = _chinese(error, message)
    return Misuse(f"{chinese} {message}" if chinese else message, error.ctx)


def _chinese(error: click.UsageError, message: str) -> str:
    """Return the sentence in Chinese; empty if the message has it."""
    match error:
        case click.MissingParameter():
            return f"缺少{'选项' if isinstance(error.param, click.Option) else '参数'} {_named(error)}。"
        case click.NoSuchOption():
            return f"没有选项 {error.option_name}{_meant(error.possibilities)}"
        case click.exceptions.NoSuchCommand():
            return f"没有命令 {error.command_name}{_meant(error.possibilities)}"
        case click.BadParameter():
            return f"{_named(error)} 的值有误{_wanted(error)}。"
    for pattern, text in _OTHERS:
        if found := pattern.search(message):
            return f"{found.expand(text)}。"
    return "" if _CHINESE.search(message) else "用法有误。"


def _named(error: click.BadParameter) -> str:
    hint = error.param_hint or ("" if error.param is None else error.param.get_error_hint(error.ctx))
    return (hint if isinstance(hint, str) else " / ".join(hint)).replace("'", "")


def _meant(names: Sequence[str] | None) -> str:
    return f"，是否指 {'、'.join(names)}？" if names else "。"


def _wanted(error: click.BadParameter) -> str:
    """Return what a value should have been, by the type of its parameter."""
    kind = None if error.param is None else error.param.type
    match kind:
        case click.IntRange() | click.FloatRange():
            return f"，须为{'整数' if isinstance(kind, click.IntRange) else '数'}{_bounds(kind)}"
        case click.Choice():
            return f"，须为其中之一：{'、'.join(map(str, kind.choices))}"
        case click.Path():
            return f"，路径{next((text for pattern, text in _WHERE if pattern.search(error.message)), '不可用')}"
    return ""


def _bounds(kind: click.IntRange | click.FloatRange) -> str:
    least = "" if kind.min is None else f" {'>' if kind.min_open else '≥'} {kind.min}"
    most = "" if kind.max is None else f" {'<' if kind.max_open else '≤'} {kind.max}"
    return least + most
