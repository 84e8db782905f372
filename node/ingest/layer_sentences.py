"""What is said of a file, its reference system and its columns."""

from __future__ import annotations

from node.ingest.kinds import FaultKind
from node.ingest.sentence import Sentence

FILE = {
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

CRS = {
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

COLUMNS = {
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
    FaultKind.INCOMPLETE_STATE: Sentence(
        "增量缺少字段 {field}，不知是保留原值还是清空",
        "the changes lack the field {field}: whether to keep or to clear it is not said",
        "请补上该字段（未变的填现值）；若名称不同，请用 --map 旧列={field}。",
        "Add it, with its present values where they stay; if it has another name, use --map OLD={field}.",
    ),
    FaultKind.NOTICE_DELETES_COLUMN: Sentence(
        "列 {field} 不是图层的字段，未采用",
        "column {field} is no field of the collection and was left out",
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
