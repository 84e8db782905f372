"""What is said of values, geometries and where they lie."""

from __future__ import annotations

from node.ingest.kinds import FaultKind
from node.ingest.sentence import Sentence

VALUES = {
    FaultKind.KEY_NULL: Sentence(
        "{count} 个要素的标识字段 {field} 为空",
        "{count} features have no key in {field}",
        "请补全标识码。",
        "Give each feature its key.",
    ),
    FaultKind.KEY_DUPLICATE: Sentence(
        "标识字段 {field} 有 {count} 行与前面的行重复",
        "{count} rows repeat the key of an earlier row in {field}",
        "请去重或重新编码。",
        "Remove the duplicates or number them anew.",
    ),
    FaultKind.NULL_VALUE: Sentence(
        "必填字段 {field} 有 {count} 个空值",
        "the required field {field} is null in {count} features",
        "请补全。",
        "Fill them in.",
    ),
    FaultKind.WRONG_TYPE: Sentence(
        "字段 {field} 有 {count} 个值不是 {detail}：{values}",
        "{count} values of {field} are not of type {detail}: {values}",
        "请改正这些值或字段类型。",
        "Correct these values or the column's type.",
    ),
    FaultKind.GARBLED_TEXT: Sentence(
        "字段 {field} 有 {count} 个值是乱码：{values}",
        "{count} values of {field} are garbled: {values}",
        "请用 --encoding 指明文件的真实编码（常见 GB18030 或 UTF-8）；若字段宽度截断了汉字，请加宽字段后重新导出。",
        "Name the real encoding with --encoding (GB18030 and UTF-8 are common); where a field's width cut a "
        "character in two, widen it and export again.",
    ),
    FaultKind.FRACTION: Sentence(
        "整数字段 {field} 有 {count} 个值带小数：{values}",
        "{count} values of the integer field {field} have a fraction: {values}",
        "请改为整数。",
        "Make them whole.",
    ),
    FaultKind.TEXT_LENGTH: Sentence(
        "字段 {field} 有 {count} 个值超过 {detail} 个字符：{values}",
        "{count} values of {field} are longer than {detail} characters: {values}",
        "请缩短。",
        "Shorten them.",
    ),
    FaultKind.DECIMAL_WIDTH: Sentence(
        "字段 {field} 有 {count} 个值超出宽度 {detail}：{values}",
        "{count} values of {field} do not fit its width {detail}: {values}",
        "请检查数值和单位。",
        "Check the numbers and their unit.",
    ),
    FaultKind.DECIMAL_PLACES: Sentence(
        "字段 {field} 有 {count} 个值的小数位超过规定（宽度,小数位 {detail}）：{values}",
        "{count} values of {field} have more decimals than declared (width,decimals {detail}): {values}",
        "请按规定位数四舍五入后重新导出（双精度）。",
        "Round them half up to that many and export again (double precision).",
    ),
    FaultKind.UNKNOWN_CODE: Sentence(
        "字段 {field} 有 {count} 个值不在代码表 {detail} 中：{values}",
        "{count} values of {field} are not in the code list {detail}: {values}",
        "请按代码表改正（guotu collections 可查）。",
        "Correct them by the list (`guotu collections` shows it).",
    ),
    FaultKind.FOREIGN_DIVISION: Sentence(
        "字段 {field} 有 {count} 个值不属于本节点政区 {detail}：{values}",
        "{count} values of {field} are not in this node's division {detail}: {values}",
        "请只发布本政区的要素，或到所属节点发布。",
        "Publish only this division's features, or publish them at the node they belong to.",
    ),
    FaultKind.NOTICE_BLANK_AS_NULL: Sentence(
        "字段 {field} 有 {count} 个空白文本，按空值处理",
        "{count} blank texts of {field} were taken as null",
    ),
    FaultKind.NOTICE_UNKNOWN_DIVISION: Sentence(
        "字段 {field} 有 {count} 个值的前六位不在行政区划名录中：{values}",
        "the first six digits of {count} values of {field} are in no gazetteer: {values}",
    ),
}

GEOMETRIES = {
    FaultKind.GEOMETRY_MISSING: Sentence(
        "图层没有几何列",
        "the layer has no geometries",
        "请检查是否选对了图层。",
        "Check that this is the right layer.",
    ),
    FaultKind.GEOMETRY_ENCODING: Sentence(
        "几何编码 {detail} 不受支持",
        "the geometry encoding {detail} is not supported",
        "请以 WKB 编码重新导出 GeoParquet。",
        "Export the GeoParquet again with WKB encoding.",
    ),
    FaultKind.GEOMETRY_AMBIGUOUS: Sentence(
        "表中不能确定几何列；几何列有：{values}",
        "it is not clear which column of the table is the geometry; there are: {values}",
        "请用 --geometry 指明其中一列。",
        "Name one of them with --geometry.",
    ),
    FaultKind.GEOMETRY_CURVED: Sentence(
        "{count} 个要素含曲线",
        "{count} features have curves",
        "请在表中用 ST_CurveToLine 折线化，或发布做了折线化的视图。",
        "Make them straight with ST_CurveToLine in the table, or publish a view that does.",
    ),
    FaultKind.GEOMETRY_NULL: Sentence(
        "{count} 个要素没有几何",
        "{count} features have no geometry",
        "请补全或删除。",
        "Complete or remove them.",
    ),
    FaultKind.GEOMETRY_EMPTY: Sentence(
        "{count} 个要素的几何为空",
        "{count} features have an empty geometry",
        "请补全或删除。",
        "Complete or remove them.",
    ),
    FaultKind.GEOMETRY_TYPE: Sentence(
        "{count} 个要素的几何类型是 {detail}，图层要求 {values}",
        "{count} features are of type {detail}; the collection wants {values}",
        "请检查是否选对了图层，或改正这些要素。",
        "Check that this is the right layer, or correct these features.",
    ),
    FaultKind.GEOMETRY_UNREADABLE: Sentence(
        "{count} 个要素的几何无法解析（环未闭合或数据损坏）",
        "{count} geometries cannot be read (a ring is not closed, or bytes are broken)",
        "用 --repair 可闭合未闭合的环；其余请在 GIS 软件中修复。",
        "--repair closes open rings; mend the others in a GIS.",
    ),
    FaultKind.COORDINATES_NOT_FINITE: Sentence(
        "{count} 个要素的坐标含 NaN 或无穷大",
        "{count} features have coordinates that are NaN or infinite",
        "请重新导出或删除。",
        "Export them again or remove them.",
    ),
    FaultKind.GEOMETRY_INVALID: Sentence(
        "{count} 个要素的几何无效：{detail}",
        "{count} geometries are not valid: {detail}",
        "可用 --repair 修复（报告面积变化），或在 GIS 软件中修复。",
        "--repair mends them and reports the change of area; or mend them in a GIS.",
    ),
    FaultKind.GEOMETRY_UNREPAIRABLE: Sentence(
        "{count} 个要素的几何修复后没有剩余：{detail}",
        "{count} geometries have nothing left after repair: {detail}",
        "请在 GIS 软件中重画或删除。",
        "Draw them again in a GIS or remove them.",
    ),
    FaultKind.NOTICE_GEOMETRY_DROPPED: Sentence(
        "图层为表格，未采用文件中的几何",
        "the collection is a table; the file's geometries were left out",
    ),
    FaultKind.NOTICE_DIMENSION_DROPPED: Sentence(
        "{count} 个要素的高程（Z）或量测值（M）未采用",
        "heights (Z) or measures (M) of {count} features were left out",
    ),
    FaultKind.NOTICE_CURVES: Sentence(
        "{count} 个要素含曲线，已按每 4° 一段折线化",
        "{count} features had curves; they were made of straight lines, 4° of arc each",
    ),
    FaultKind.NOTICE_REPAIRED: Sentence(
        "已修复 {count} 个要素的几何：{detail}",
        "{count} geometries were repaired: {detail}",
    ),
}

PLACES = {
    FaultKind.OUT_OF_BOUNDS: Sentence(
        "{count} 个要素超出政区 {detail} 的范围（数据范围、政区范围：{values}）",
        "{count} features leave the bounds of division {detail} (theirs, then the division's: {values})",
        "请检查坐标系、带号和政区代码；确认无误时用 --force-bounds（会记录在版本中）。",
        "Check the CRS, its zone and the division; if all is right use --force-bounds (it is recorded).",
    ),
    FaultKind.GCJ02_SUSPECTED: Sentence(
        "像是 GCJ-02（火星坐标）：去掉偏移后 {count} 个要素回到政区范围内",
        "this looks like GCJ-02 (火星坐标): {count} features return into their bounds once unshifted",
        "请使用未加偏移的 CGCS2000 成果，不要使用来自网络地图的数据。",
        "Use the survey's own CGCS2000 data, not data taken from a web map.",
    ),
    FaultKind.NOTICE_WGS84: Sentence(
        "坐标系 {detail} 以 WGS 84 为基准，按 CGCS2000 采用（相差厘米级）",
        "the CRS {detail} is on WGS 84; it is taken as CGCS2000 (they differ by centimetres)",
    ),
    FaultKind.NOTICE_ZONE: Sentence(
        "坐标离 {detail} 的中央经线很远，像是相邻带 {values}",
        "the coordinates are far from the central meridian of {detail}; they look like its neighbour {values}",
    ),
    FaultKind.NOTICE_ENCODING: Sentence(
        "文件未说明文字编码，按内容判断为 {detail}",
        "the file does not say its text encoding; by its content it is {detail}",
    ),
}
