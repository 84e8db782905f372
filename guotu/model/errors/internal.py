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


class DiskFull(StoreFailure):
    """A disk of the node has no room. Facts: place (what could not be written, by its name in the data directory)."""

    reason = "DISK_FULL"
    zh = "磁盘已满，写不下 {place}。"
    en = "the disk is full: no room for {place}."
    remedy_zh = "请在节点数据目录（或作业目录）所在的磁盘上腾出空间后重试；已有的版本未受影响。"
    remedy_en = (
        "Free space on the disk of the node's data directory (or of the job's folder) and try again; "
        "versions that were there are unharmed."
    )
