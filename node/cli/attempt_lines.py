"""What became of a step, in a line for each attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guotu.model.attempt import Ending
from node.cli.wording import count, size

if TYPE_CHECKING:
    from guotu.model.attempt import Attempt

_ENDINGS = {
    Ending.ANSWERED: ("已答 ANSWERED", ""),
    Ending.FAILED: ("失败 FAILED", "bold red"),
    Ending.OVERTAKEN: ("落后 OVERTAKEN", "yellow"),
    Ending.STOPPED: ("停止 STOPPED", "yellow"),
}


def attempt_style(attempt: Attempt, slow: bool) -> str:
    """Return the style of an attempt's line."""
    return _ENDINGS[attempt.ending][1] or ("bold yellow" if slow else "")


def attempt_line(attempt: Attempt, slow: bool) -> str:
    """One line: how it ended, who was asked, when what came (milliseconds), how much."""
    word, _ = _ENDINGS[attempt.ending]
    parts = [word, attempt.reason, "慢 SLOW" if slow else ""]
    if attempt.standby:
        asked = attempt.node or "多个节点 several nodes"
        parts += [
            f"候补 standby {asked}",
            f"因 because {attempt.cause}",
            f"第 after {_ms(attempt.asked_ms)} 起问 asked",
        ]
    parts += [
        _at("首信 sign", attempt.sign_ms),
        _at("首行 first rows", attempt.rows_ms),
        _at("末帧 last", attempt.ended_ms),
        _some("等合并 held", attempt.held_ms),
        _some("排队 queued", attempt.queued_ms),
        _some("对方 there", attempt.node_ms),
        _some("存储 store", attempt.store_ms),
        f"{count(attempt.rows)} 行 rows {size(attempt.size_bytes)}",
    ]
    return "  ".join(filter(None, parts))


def _at(word: str, milliseconds: float | None) -> str:
    return f"{word} —" if milliseconds is None else f"{word} {_ms(milliseconds)}"


def _some(word: str, milliseconds: float) -> str:
    """Return a time that is worth a word; empty if it is none."""
    return f"{word} {_ms(milliseconds)}" if milliseconds >= 0.1 else ""


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds >= 100 else f"{milliseconds:.1f} ms"
