"""What was given cannot be meant."""

from __future__ import annotations

from guotu.model.errors.root import GuotuError


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


class InvalidTable(InvalidInput):
    """A table of a database is not there, may not be read, or cannot be read so. Facts: table, detail."""

    reason = "INVALID_TABLE"
    zh = "数据库表 {table} 不可用：{detail}。"
    en = "the table {table} cannot be used: {detail}."
