"""Limits that were passed: of size, of time, and of work at once."""

from __future__ import annotations

from guotu.model.errors.root import GuotuError

_LONGEST_RETRY_S = 60.0
"""What a peer may tell at most; more is not believed."""


class TooLarge(GuotuError):
    """A message or an input is over its limit. Facts: what, size, limit."""

    reason = "TOO_LARGE"
    zh = "{what} 过大：{size}，上限 {limit}。"
    en = "{what} is too large: {size}, the limit is {limit}."
    remedy_zh = "请简化或分批。"
    remedy_en = "Simplify it or split it."


class DeadlineExceeded(GuotuError):
    """The question's time is over. Facts: node, seconds."""

    reason = "DEADLINE_EXCEEDED"
    zh = "节点 {node} 未在时限内完成（{seconds} 秒）。"
    en = "node {node} did not finish within the deadline ({seconds} s)."
    remedy_zh = "请用 --timeout 放宽时限或缩小范围。"
    remedy_en = "Allow more with --timeout or ask for less."


class Overloaded(GuotuError):
    """A node has as many questions under way as it takes. Facts: node, retry_s (when to come back, seconds)."""

    reason = "OVERLOADED"
    zh = "节点 {node} 正忙，暂不接受更多问题。"
    en = "node {node} is busy and takes no more questions now."
    remedy_zh = "请 {retry_s} 秒后重试。"
    remedy_en = "Try again in {retry_s} s."

    @property
    def retry_s(self) -> float:
        """When to come back, seconds; one second if a peer told none that can be read."""
        told = self.facts.get("retry_s")
        return min(max(float(told), 0.0), _LONGEST_RETRY_S) if isinstance(told, int | float) else 1.0
