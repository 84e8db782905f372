"""The one exception tree.

Each class has a stable reason, a sentence in Chinese and in English, and a remedy in both. Facts are given by name
when it is raised and travel with it over the wire, so that the far side raises the same class with the same facts.

    GuotuError
    ├── InvalidInput: InvalidQuestion, InvalidFilter, InvalidCrs, InvalidCatalogue, InvalidConfig, ImportRefused,
    │   IncompatibleSchema, PackageGap
    ├── NotFound: UnknownCollection, UnknownField, UnknownNode, UnknownDataset, UnknownVersion, UnknownObject
    ├── TooLarge
    ├── Conflict: IdentityTaken, DirectoryInUse, PublishConflict
    ├── Unavailable: RegistryUnavailable, NodeUnavailable, NodeNotReady
    ├── Incomplete: IncompleteAnswer, NobodyAnswered
    ├── DeadlineExceeded
    ├── Refused: VersionRefused, UntrustedKey
    └── Internal: CorruptObject, StoreFailure
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from guotu.model.answer import Completeness

Fact = str | int | float


class GuotuError(Exception):
    """Anything that guotu raises on purpose. `facts` fill the placeholders of the sentences."""

    reason: ClassVar[str] = "GUOTU_ERROR"
    zh: ClassVar[str] = "国土节点出错：{detail}"
    en: ClassVar[str] = "guotu failed: {detail}"
    remedy_zh: ClassVar[str] = ""
    remedy_en: ClassVar[str] = ""

    def __init__(self, **facts: Fact) -> None:
        self.facts: dict[str, Fact] = facts
        self.completeness: Completeness | None = None
        super().__init__(self.message)

    def _fill(self, template: str) -> str:
        return template.format_map(_Known(self.facts))

    @property
    def message(self) -> str:
        """Both sentences and remedies, Chinese first, one language a line."""
        chinese = " ".join(filter(None, (self._fill(self.zh), self._fill(self.remedy_zh))))
        english = " ".join(filter(None, (self._fill(self.en), self._fill(self.remedy_en))))
        return f"{chinese}\n{english}"

    @property
    def english(self) -> str:
        """The English sentence without the remedy."""
        return self._fill(self.en)

    @property
    def chinese(self) -> str:
        """The Chinese sentence without the remedy."""
        return self._fill(self.zh)


class _Known(dict[str, Fact]):
    """Facts for `format_map`: a fact that was not given shows as a question mark."""

    def __missing__(self, key: str) -> str:
        return "?"


class InvalidInput(GuotuError):
    """What was given cannot be meant."""

    reason = "INVALID_INPUT"
    zh = "输入有误：{detail}"
    en = "invalid input: {detail}"


class InvalidQuestion(InvalidInput):
    """A question's options are out of their bounds. Facts: part, detail."""

    reason = "INVALID_QUESTION"
    zh = "问题的 {part} 有误：{detail}。"
    en = "{part} of the question is not valid: {detail}."
    remedy_zh = "请改正后重试（--help 有示例）。"
    remedy_en = "Correct it and ask again (--help has examples)."


class InvalidFilter(InvalidInput):
    """A CQL2 filter does not parse or does not fit the schema. Facts: where, detail."""

    reason = "INVALID_FILTER"
    zh = "过滤条件（CQL2）有误，位置：{where}：{detail}。"
    en = "the filter (CQL2) is not valid at {where}: {detail}."
    remedy_zh = "文本值用单引号，如 DLBM = '0101'。"
    remedy_en = "Text values stand in single quotes, as in DLBM = '0101'."


class InvalidCrs(InvalidInput):
    """A coordinate reference system is missing, unknown or mixed. Facts: crs, detail."""

    reason = "INVALID_CRS"
    zh = "坐标系 {crs} 不可用：{detail}。"
    en = "the CRS {crs} cannot be used: {detail}."
    remedy_zh = "请用 --crs 指明，如 EPSG:4490（CGCS2000 经纬度）或 EPSG:4491–4554（高斯-克吕格）。"
    remedy_en = "Name it with --crs: EPSG:4490 (CGCS2000 lon/lat) or EPSG:4491–4554 (Gauss–Krüger)."


class InvalidCatalogue(InvalidInput):
    """A catalogue file has faults. Facts: source, detail."""

    reason = "INVALID_CATALOGUE"
    zh = "目录文件 {source} 有误：{detail}。"
    en = "the catalogue {source} is not valid: {detail}."


class InvalidConfig(InvalidInput):
    """A node's configuration has faults. Facts: source, detail."""

    reason = "INVALID_CONFIG"
    zh = "配置 {source} 有误：{detail}。"
    en = "the configuration {source} is not valid: {detail}."
    remedy_zh = "guotu node init 会写出带注释的配置样例。"
    remedy_en = "`guotu node init` writes a commented configuration."


class ImportRefused(InvalidInput):
    """A layer has faults; nothing was written. Facts: source, faults."""

    reason = "IMPORT_REFUSED"
    zh = "数据 {source} 未通过检查（{faults} 类问题），未写入任何内容。"
    en = "the layer {source} did not pass its checks ({faults} kinds of fault); nothing was written."


class IncompatibleSchema(InvalidInput):
    """A collection's definition breaks with the versions there are. Facts: dataset, detail."""

    reason = "INCOMPATIBLE_SCHEMA"
    zh = "数据集 {dataset} 的结构与已有版本不兼容：{detail}。"
    en = "the schema of {dataset} breaks with its versions: {detail}."
    remedy_zh = "确需如此请用 --new-series 开始新系列；订阅者将整份重取，旧版本按旧结构保留。"
    remedy_en = "If it must be, begin a new series with --new-series; subscribers fetch everything anew."


class PackageGap(InvalidInput):
    """A package does not continue what the node has. Facts: dataset, has, needs."""

    reason = "PACKAGE_GAP"
    zh = "数据包与本节点之间有缺口：{dataset} 本节点至版本 {has}，数据包从版本 {needs} 起。"
    en = "there is a gap: this node has {dataset} up to version {has}, the package continues after {needs}."
    remedy_zh = "请先导入其间的数据包，或重新导出（--since {dataset}@{has}）。"
    remedy_en = "Import the packages in between first, or export again with --since {dataset}@{has}."


class NotFound(GuotuError):
    """A name that nothing answers to."""

    reason = "NOT_FOUND"
    zh = "找不到：{detail}"
    en = "not found: {detail}"


class UnknownCollection(NotFound):
    """Facts: collection."""

    reason = "UNKNOWN_COLLECTION"
    zh = "目录中没有图层 {collection}。"
    en = "the catalogue has no collection {collection!r}."
    remedy_zh = "guotu collections 列出全部图层。"
    remedy_en = "`guotu collections` lists them."


class UnknownField(NotFound):
    """Facts: field, collection, known."""

    reason = "UNKNOWN_FIELD"
    zh = "图层 {collection} 没有字段 {field}。"
    en = "collection {collection} has no field {field!r}."
    remedy_zh = "可用字段：{known}。"
    remedy_en = "Fields: {known}."


class UnknownNode(NotFound):
    """Facts: node."""

    reason = "UNKNOWN_NODE"
    zh = "没有注册的节点 {node}。"
    en = "no node {node!r} is registered."
    remedy_zh = "guotu nodes 列出在线节点。"
    remedy_en = "`guotu nodes` lists those that are."


class UnknownDataset(NotFound):
    """Facts: dataset."""

    reason = "UNKNOWN_DATASET"
    zh = "没有数据集 {dataset}。"
    en = "there is no dataset {dataset!r}."
    remedy_zh = "guotu datasets 列出全部数据集。"
    remedy_en = "`guotu datasets` lists them."


class UnknownVersion(NotFound):
    """Facts: dataset, version."""

    reason = "UNKNOWN_VERSION"
    zh = "数据集 {dataset} 没有保留版本 {version}。"
    en = "dataset {dataset} does not retain version {version}."
    remedy_zh = "guotu versions {dataset} 列出保留的版本。"
    remedy_en = "`guotu versions {dataset}` lists those retained."


class UnknownObject(NotFound):
    """A node does not hold an object, manifest or definition. Facts: object."""

    reason = "UNKNOWN_OBJECT"
    zh = "本节点没有对象 {object}。"
    en = "this node does not hold {object}."


class TooLarge(GuotuError):
    """A message or an input is over its limit. Facts: what, size, limit."""

    reason = "TOO_LARGE"
    zh = "{what} 过大：{size}，上限 {limit}。"
    en = "{what} is too large: {size}, the limit is {limit}."
    remedy_zh = "请简化或分批。"
    remedy_en = "Simplify it or split it."


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


class Incomplete(GuotuError):
    """Not all members answered; `completeness` tells who."""

    reason = "INCOMPLETE"
    zh = "回答不完整：{missing}。"
    en = "the answer is not complete: {missing}."


class IncompleteAnswer(Incomplete):
    """REQUIRE_ALL and a member is missing. Facts: missing."""

    reason = "INCOMPLETE_ANSWER"
    remedy_zh = "允许部分结果请用 --partial。"
    remedy_en = "Use --partial to accept a marked partial answer."


class NobodyAnswered(Incomplete):
    """Not one member answered. Facts: missing."""

    reason = "NOBODY_ANSWERED"
    zh = "没有任何成员应答：{missing}。"
    en = "nobody answered: {missing}."
    remedy_zh = "guotu nodes 查看在线节点。"
    remedy_en = "`guotu nodes` shows who is there."


class DeadlineExceeded(GuotuError):
    """The question's time is over. Facts: node, seconds."""

    reason = "DEADLINE_EXCEEDED"
    zh = "节点 {node} 未在时限内完成（{seconds} 秒）。"
    en = "node {node} did not finish within the deadline ({seconds} s)."
    remedy_zh = "请用 --timeout 放宽时限或缩小范围。"
    remedy_en = "Allow more with --timeout or ask for less."


class Refused(GuotuError):
    """The node does not serve this to this caller. Facts: detail."""

    reason = "REFUSED"
    zh = "拒绝：{detail}。"
    en = "refused: {detail}."


class VersionRefused(Refused):
    """A version that came from elsewhere does not hold. Facts: dataset, version, detail."""

    reason = "VERSION_REFUSED"
    zh = "拒收 {dataset}@{version}：{detail}；保留原有版本。"
    en = "{dataset}@{version} was refused: {detail}; what was there stays."
    remedy_zh = "请与发布节点核对。"
    remedy_en = "Ask the publishing node."


class UntrustedKey(Refused):
    """The key that signed is not known as the publisher's. Facts: node, fingerprint."""

    reason = "UNTRUSTED_KEY"
    zh = "不认识节点 {node} 的签名公钥（指纹 {fingerprint}）。"
    en = "the signing key of node {node} (fingerprint {fingerprint}) is not known here."
    remedy_zh = "与该节点核对指纹后，用 --trust {node}={fingerprint} 确认。"
    remedy_en = "Check the fingerprint with that node, then confirm it with --trust {node}={fingerprint}."


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


def error_classes() -> Iterator[type[GuotuError]]:
    """Yield every class of the tree, the root first."""
    pending: list[type[GuotuError]] = [GuotuError]
    while pending:
        current = pending.pop(0)
        yield current
        pending.extend(current.__subclasses__())


def error_class(reason: str) -> type[GuotuError]:
    """Return the class with a stable reason; `Internal` for one that this software does not know."""
    return next((cls for cls in error_classes() if cls.reason == reason), Internal)
