"""Limits that were passed: of size, and of time."""

from __future__ import annotations

from guotu.model.errors.root import GuotuError


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
