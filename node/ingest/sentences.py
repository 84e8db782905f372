"""What each kind of finding says to people, in both languages, and what they can do about it.

Placeholders: {field}, {count}, {detail}, {values}. Keys are printed beside the sentence, not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from node.ingest.kinds import FaultKind


@dataclass(frozen=True, slots=True)
class Sentence:
    """One kind in words."""

    zh: str
    en: str
    remedy_zh: str = ""
    remedy_en: str = ""


_FILE = {
    FaultKind.UNREADABLE_FILE: Sentence(
        "文件无法读取：{detail}",
        "the file cannot be read: {detail}",
        "请检查路径与格式（shp、gdb、gpkg、geojson、fgb、parquet、csv，可为 zip）。",
        "Check its path and format (shp, gdb, gpkg, geojson, fgb, parquet, csv; a zip of them).",
    ),
    FaultKind.LAYER_AMBIGUOUS: Sentence(
        "文件中有多个图层：{detail}",
        "the file holds several layers: {detail}",
        "请用 --layer 指明一个。",
        "Name one with --layer.",
    ),
    FaultKind.LAYER_UNKNOWN: Sentence(
        "文件中没有图层 {field}；有：{detail}",
        "the file has no layer {field!r}; it has: {detail}",
        "请改正 --layer。",
        "Correct --layer.",
    ),
    FaultKind.EMPTY_LAYER: Sentence(
        "图层中没有要素",
        "the layer has no features",
        "请检查是否选对了文件和图层。",
        "Check that this is the right file and layer.",
    ),
    FaultKind.MALFORMED_ROW: Sentence(
        "{count} 行的列数与表头不符",
        "{count} rows do not have as many columns as the header",
        "请检查这些行的逗号和引号。",
        "Look for stray commas or quotes in them.",
    ),
    FaultKind.WRONG_ENCODING: Sentence(
        "文字不是 {detail} 编码，像是 {values}",
        "the texts are not in {detail}; they look like {values}",
        "请用 --encoding {values}，或改正 .cpg 文件。",
        "Use --encoding {values}, or correct the .cpg file.",
    ),
}

_CRS = {
    FaultKind.CRS_MISSING: Sentence(
        "图层没有坐标系说明",
        "the layer does not say its CRS",
        "请用 --crs 指明：EPSG:4490（CGCS2000 经纬度）或 EPSG:4491–4554（高斯-克吕格各带）。",
        "Name it with --crs: EPSG:4490 (CGCS2000 lon/lat) or EPSG:4491–4554 (Gauss–Krüger zones).",
    ),
    FaultKind.CRS_UNKNOWN: Sentence(
        "无法识别坐标系 {detail}",
        "the CRS {detail} is not known",
        "请用 --crs 给出 EPSG 代码，如 EPSG:4490 或 EPSG:4523。",
        "Give an EPSG code with --crs, such as EPSG:4490 or EPSG:4523.",
    ),
    FaultKind.CRS_CONFLICT: Sentence(
        "--crs 与文件自带的坐标系不一致：{detail}",
        "--crs and the file's own CRS differ: {detail}",
        "若文件的说明是对的，请去掉 --crs；否则请先在 GIS 软件中改正文件的坐标系定义。",
        "Leave --crs out if the file is right; otherwise correct the file's CRS definition in a GIS first.",
    ),
    FaultKind.CRS_DATUM: Sentence(
        "坐标系 {detail} 不以 CGCS2000 为基准，转换参数涉密，此处不能转换",
        "the CRS {detail} is not on the CGCS2000 datum; its transformation parameters are secret and not here",
        "请在有权限的单位转换为 CGCS2000（EPSG:4490 或 4491–4554）后再发布。",
        "Have it transformed to CGCS2000 (EPSG:4490 or 4491–4554) by an authorised unit, then publish.",
    ),
    FaultKind.CRS_MISMATCH: Sentence(
        "坐标与坐标系 {detail} 不符，像是 {values}",
        "the coordinates cannot be {detail}; they look like {values}",
        "若确是，请改正文件的坐标系定义；文件没有自带说明时（如 GeoJSON）用 --crs 指明。",
        "If so, correct the file's CRS definition, or name it with --crs where the file has none (GeoJSON).",
    ),
    FaultKind.MIXED_CRS: Sentence(
        "同一图层混有多种坐标系：{detail}；{count} 个要素与坐标系说明不符",
        "one layer mixes reference systems: {detail}; {count} features are not in the CRS it states",
        "请把它们分成各自坐标系的图层，分别转换后合并再发布。",
        "Split them into layers by CRS, transform each, merge and publish.",
    ),
    FaultKind.AXES_SWAPPED: Sentence(
        "{count} 个要素的坐标轴颠倒（X、Y 或经、纬互换）",
        "{count} features have their axes exchanged (X and Y, or longitude and latitude)",
        "请互换坐标顺序（经度在前、东坐标在前）后重新导出。",
        "Exchange them (longitude first, easting first) and export again.",
    ),
    FaultKind.COORDINATES_OUT_OF_RANGE: Sentence(
        "{count} 个要素的坐标不是经纬度，像是 {detail}",
        "{count} features do not have longitudes and latitudes; they look like {detail}",
        "请检查坐标系说明和这些要素。",
        "Check the CRS and these features.",
    ),
}

_COLUMNS = {
    FaultKind.MAP_UNKNOWN: Sentence(
        "--map {detail}：文件没有此列或图层没有此字段；文件的列：{values}",
        "--map {detail}: the file has no such column or the collection no such field; columns: {values}",
        "请改正 --map 旧列=字段。",
        "Correct --map OLD=FIELD.",
    ),
    FaultKind.COLUMN_AMBIGUOUS: Sentence(
        "多个列都对应字段 {field}：{values}",
        "several columns stand for field {field}: {values}",
        "请用 --map 列= 去掉多余的列。",
        "Drop those too many with --map COLUMN=.",
    ),
    FaultKind.MISSING_COLUMN: Sentence(
        "缺少必填字段 {field}",
        "the required field {field} is missing",
        "若名称不同，请用 --map 旧列={field}。",
        "If it has another name, use --map OLD={field}.",
    ),
    FaultKind.EXTRA_COLUMN: Sentence(
        "图层没有字段 {field}",
        "the collection has no field {field}",
        "用 --map {field}= 去掉该列，或用 --map {field}=字段 对应到字段。",
        "Drop the column with --map {field}= or name its field with --map {field}=FIELD.",
    ),
    FaultKind.NOTICE_COLUMN_IGNORED: Sentence(
        "未采用列 {field}（GIS 软件的内部列或已用 --map 去掉）",
        "column {field} was left out (bookkeeping of GIS software, or dropped by --map)",
    ),
    FaultKind.NOTICE_COLUMN_FILLED: Sentence(
        "文件没有选填字段 {field}，全部记为空值",
        "the file has no optional field {field}; it is null throughout",
    ),
}

_VALUES = {
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

_GEOMETRIES = {
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

_PLACES = {
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

SENTENCES: Mapping[FaultKind, Sentence] = MappingProxyType(
    {**_FILE, **_CRS, **_COLUMNS, **_VALUES, **_GEOMETRIES, **_PLACES}
)
"""Every kind, exactly once."""
