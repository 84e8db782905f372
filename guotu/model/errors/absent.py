"""Names that nothing answers to."""

from __future__ import annotations

from guotu.model.errors.root import Fact, GuotuError


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
    """Facts: dataset, version; retained (" [1, 4–7]"), where that is known."""

    reason = "UNKNOWN_VERSION"
    zh = "数据集 {dataset} 没有保留版本 {version}{retained}。"
    en = "dataset {dataset} does not retain version {version}{retained}."
    remedy_zh = "guotu versions {dataset} 列出保留的版本。"
    remedy_en = "`guotu versions {dataset}` lists those retained."

    def __init__(self, **facts: Fact) -> None:
        super().__init__(**{"retained": "", **facts})


class UnknownDivision(NotFound):
    """No division has a code. Facts: division, near ("510104 四川省成都市锦江区, ..."), prefix."""

    reason = "UNKNOWN_DIVISION"
    zh = "没有代码为 {division} 的行政区划，相近的有：{near}。"
    en = "no division has the code {division}; those nearest to it are {near}."
    remedy_zh = (
        "请核对代码，或用 --within-division 给出名称；"
        "数据中自编的代码，请以其区划字段过滤：--where \"字段 LIKE '{prefix}%'\"。"
    )
    remedy_en = (
        "Check the code, or give a name with --within-division; codes of the data's own are asked for by their field: "
        "--where \"FIELD LIKE '{prefix}%'\"."
    )


class UnknownBoundary(NotFound):
    """Nobody holds the boundary of a division, or not the whole of it. Facts: division, detail."""

    reason = "UNKNOWN_BOUNDARY"
    zh = "全网没有行政区划 {division} 的完整界线：{detail}。"
    en = "the mesh does not hold the whole boundary of {division}: {detail}."
    remedy_zh = "请由其所属节点发布行政区图层（xzq 或 county），或用 --within 给出面文件。"
    remedy_en = "Have its owner publish the layer of divisions (xzq or county), or give a file of polygons (--within)."


class UnknownObject(NotFound):
    """A node does not hold an object, manifest or definition. Facts: object."""

    reason = "UNKNOWN_OBJECT"
    zh = "本节点没有对象 {object}。"
    en = "this node does not hold {object}."
