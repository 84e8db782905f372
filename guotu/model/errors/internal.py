"""Faults of guotu or of its machine."""

from __future__ import annotations

from guotu.model.errors.root import GuotuError


class Internal(GuotuError):
    """A fault of guotu or of its machine."""

    reason = "INTERNAL"
    zh = "节点内部错误：{detail}。"
    en = "internal error: {detail}."
    remedy_zh = "详情见节点日志（请求号 request id）。"
    remedy_en = "The node's log has more (look for the request id)."


class CorruptObject(Internal):
    """Stored bytes are not what their name says. Facts: object, detail."""

    reason = "CORRUPT_OBJECT"
    zh = "对象 {object} 损坏：{detail}。"
    en = "object {object} is corrupt: {detail}."
    remedy_zh = "请从备份或其他副本恢复。"
    remedy_en = "Restore it from a backup or another replica."


class StoreFailure(Internal):
    """The store could not do its work. Facts: detail."""

    reason = "STORE_FAILURE"
    zh = "存储出错：{detail}。"
    en = "the store failed: {detail}."
