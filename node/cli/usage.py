"""Wrong usage of the command line, told in both languages: click itself knows English."""

from __future__ import annotations

import re

import click

_CHINESE = re.compile("[\u4e00-\u9fff]")
_KINDS = (
    (click.MissingParameter, "缺少参数"),
    (click.NoSuchOption, "没有此选项"),
    (click.BadParameter, "参数有误"),
)
"""The first one that fits counts."""
_WANTED = (
    ((click.IntRange, click.FloatRange), "，须为范围内的数"),
    (click.Choice, "，须为其中之一"),
    (click.Path, "，路径不可用"),
)


def in_both_languages(error: click.UsageError) -> click.UsageError:
    """Return the error to raise: one that shows help, or is told in Chinese first, is left as it is."""
    message = error.format_message()
    if isinstance(error, click.exceptions.NoArgsIsHelpError) or _CHINESE.match(message):
        return error
    return click.UsageError(f"{_chinese(error)} {message}", error.ctx)


def _chinese(error: click.UsageError) -> str:
    said = next((text for kind, text in _KINDS if isinstance(error, kind)), "用法有误")
    kind = getattr(getattr(error, "param", None), "type", None)
    wanted = next((text for kinds, text in _WANTED if isinstance(kind, kinds)), "")
    return said + wanted * (said == "参数有误")
