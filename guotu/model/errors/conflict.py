"""What somebody else has."""

from __future__ import annotations

from guotu.model.errors.root import GuotuError


class Conflict(GuotuError):
    """Somebody else has it."""

    reason = "CONFLICT"
    zh = "冲突：{detail}"
    en = "conflict: {detail}"


class IdentityTaken(Conflict):
    """Another running node has this id. Facts: node, address."""

    reason = "IDENTITY_TAKEN"
    zh = "节点编号 {node} 已被 {address} 上的另一节点占用。"
    en = "node id {node} is taken by another node at {address}."
    remedy_zh = "请改用其他编号（如 {node}-b），或先停止那个节点。"
    remedy_en = "Use another id (such as {node}-b) or stop that node first."


class DirectoryInUse(Conflict):
    """Another process works on this data directory. Facts: path."""

    reason = "DIRECTORY_IN_USE"
    zh = "数据目录 {path} 正被另一进程使用。"
    en = "the data directory {path} is in use by another process."
    remedy_zh = "请先停止那个进程。"
    remedy_en = "Stop that process first."


class PublishConflict(Conflict):
    """Another publish of the dataset won. Facts: dataset, version."""

    reason = "PUBLISH_CONFLICT"
    zh = "数据集 {dataset} 已由他人发布到版本 {version}。"
    en = "someone else published {dataset}@{version} in the meantime."
    remedy_zh = "请核对后重试。"
    remedy_en = "Look at it and try again."
