"""What does not answer now."""

from __future__ import annotations

from guotu.model.errors.root import GuotuError


class Unavailable(GuotuError):
    """Something needed does not answer; trying again may help."""

    reason = "UNAVAILABLE"
    zh = "暂不可用：{detail}"
    en = "not available: {detail}"


class RegistryUnavailable(Unavailable):
    """etcd does not answer. Facts: endpoints, detail."""

    reason = "REGISTRY_UNAVAILABLE"
    zh = "注册中心 etcd（{endpoints}）无应答：{detail}。"
    en = "the registry (etcd at {endpoints}) does not answer: {detail}."
    remedy_zh = "请检查 etcd 是否运行以及 registry.endpoints 设置。"
    remedy_en = "Check that etcd runs and that registry.endpoints is right."


class NodeUnavailable(Unavailable):
    """A node does not answer. Facts: address, detail."""

    reason = "NODE_UNAVAILABLE"
    zh = "节点 {address} 无应答：{detail}。"
    en = "the node at {address} does not answer: {detail}."
    remedy_zh = "请检查节点是否运行（guotu node serve）以及 --node 地址。"
    remedy_en = "Check that it runs (guotu node serve) and that --node is right."


class NodeNotReady(Unavailable):
    """A node is starting or stopping. Facts: node, state."""

    reason = "NODE_NOT_READY"
    zh = "节点 {node} 尚不能应答（{state}）。"
    en = "node {node} does not take questions now ({state})."
    remedy_zh = "请稍后重试。"
    remedy_en = "Try again shortly."


class DatabaseUnavailable(Unavailable):
    """A database that a table is read from is out of reach. Facts: table, detail."""

    reason = "DATABASE_UNAVAILABLE"
    zh = "无法读取数据库表 {table}：{detail}。"
    en = "the table {table} cannot be read: {detail}."
    remedy_zh = "请核对 --database 与网络后重试。"
    remedy_en = "Look at --database and the network, and try again."


class CircuitOpen(Unavailable):
    """A member that did not answer lately is not asked for some seconds. Facts: node, detail (what it last was)."""

    reason = "CIRCUIT_OPEN"
    zh = "节点 {node} 近来无应答（{detail}），暂不再问。"
    en = "node {node} did not answer lately ({detail}) and is not asked for some seconds."
    remedy_zh = "请稍后重试；恢复后数秒内自动再问。"
    remedy_en = "Try again shortly; it is asked again within seconds of its return."


class NodeDraining(Unavailable):
    """A node that is being drained does not publish. Facts: node."""

    reason = "NODE_DRAINING"
    zh = "节点 {node} 正在移交（排空），暂不发布。"
    en = "node {node} is being drained and does not publish."
    remedy_zh = "维护完成后运行 guotu node resume，再发布。"
    remedy_en = "Run guotu node resume once its maintenance is over, then publish."
