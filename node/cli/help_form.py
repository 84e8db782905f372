"""Help of commands in both languages: the words that click itself puts beside ours are English."""

from __future__ import annotations

import re
from collections.abc import Iterable

import click

USAGE = "用法 usage: "
_HEADINGS = {"Options": "选项 options", "Commands": "命令 commands", "Positional arguments": "参数 arguments"}
_HELP_OPTION = "Show this message and exit."
_EXTRA = re.compile(r"  \[[^\[\]]*\]$")
"""What click adds to the text of an option."""
_WORDS = (
    (re.compile(r"(?<=[\[ ])default: "), "默认 default: "),
    (re.compile(r"(?<=[\[ ])env var: "), "环境变量 env var: "),
    (re.compile(r"(?<=[\[ ])required(?=[;\]])"), "必填 required"),
)


class HelpForm(click.HelpFormatter):
    """Writes help with Chinese headings, English beside them."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write how a command is called."""
        super().write_usage(prog, args, USAGE if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """Write what a list is of."""
        super().write_heading(_HEADINGS.get(heading, heading))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write a list of options or commands with what they are."""
        super().write_dl([(term, _both(text)) for term, text in rows], col_max, col_spacing)


class HelpContext(click.Context):
    """The context of a command whose help is in both languages."""

    formatter_class = HelpForm


def with_help(command: click.Command) -> click.Command:
    """Give a command, and those below it, help in both languages; returns it."""
    command.context_class = HelpContext
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_help(below)
    return command


def _both(text: str) -> str:
    return "显示帮助 show this help" if text == _HELP_OPTION else _EXTRA.sub(lambda extra: _told(extra[0]), text)


def _told(extra: str) -> str:
    for pattern, words in _WORDS:
        extra = pattern.sub(words, extra)
    return extra
