"""Click options of questions, bundled so that `query`, `stats`, `overlay` and `explain` take the same."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.cli.asking import Asked, AskedOverlay, AskedQuery, AskedStats, GivenSource
from node.cli.parameters import Box, NameList

if TYPE_CHECKING:
    from node.cli.zones import GivenZones

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(dir_okay=False, path_type=Path)
SUBJECT = click.argument("subject", metavar="COLLECTION|DATASET")
COMMON = (
    click.option("--where", default="", metavar="CQL2", help="过滤条件（CQL2 文本或 JSON） filter, CQL2 text or JSON"),
    click.option("--bbox", type=Box(), help="范围，EPSG:4490 经度在前的度 window, degrees, lon/lat"),
    click.option(
        "--within",
        default="",
        metavar="FILE|DIVISION",
        help="面图层文件，或六位行政区划代码 a file of polygons, or a six-digit division code",
    ),
    click.option(
        "--within-division",
        "boundary",
        default="",
        metavar="CODE|NAME",
        help="某行政区划界线之内，界线取自其所属节点 within a division's boundary, as its owner publishes it",
    ),
    click.option(
        "--scope",
        type=click.Choice(["self", "subtree"]),
        default="subtree",
        show_default=True,
        help="只问本节点，或含其下各级 the node alone, or everything below it too",
    ),
    click.option("--partial", is_flag=True, help="允许有标记的部分结果 accept a marked partial answer"),
    click.option(
        "--version",
        "versions",
        multiple=True,
        metavar="N|DATASET@N",
        help="指定版本，可重复；只写 N 须问单个数据集 answer from this version; repeatable; a bare N needs a DATASET",
    ),
    click.option(
        "--cut", type=_FILE, metavar="FILE", help="切面文件，如以前的回答 a file with a cut, such as an earlier answer"
    ),
)
FIELDS = click.option("--fields", type=NameList(), default="", help="返回的字段 fields to return [全部 all]")
CRS = click.option("--crs", default="EPSG:4490", show_default=True, help="返回坐标系 CRS of the geometries")
_QUERY = (
    FIELDS,
    click.option("--sort", type=NameList(), default="", metavar="a,-b", help="排序，- 为降序 sort, - for descending"),
    click.option("--limit", type=click.IntRange(min=0), help="最多行数，0 不限 most rows, 0 for no limit"),
    CRS,
)
_GROUP_BY = click.option(
    "--group-by",
    type=NameList(),
    default="",
    help="分组字段或 province/prefecture/county group by fields or division levels",
)
TOP = click.option(
    "--top",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="只取首个聚合值最大的 N 组 only the N groups with the greatest values of the first aggregate [全部 all]",
)
_STATS = (
    _GROUP_BY,
    click.option(
        "--count",
        "counted",
        type=NameList(),
        is_flag=False,
        flag_value="",
        multiple=True,
        metavar="[F]",
        help="行数，或字段非空值数 count of rows, or of a field's values",
    ),
    click.option("--sum", "summed", type=NameList(), default="", metavar="F", help="合计（精确小数） exact sum"),
    click.option("--min", "least", type=NameList(), default="", metavar="F", help="最小值 least"),
    click.option("--max", "greatest", type=NameList(), default="", metavar="F", help="最大值 greatest"),
    click.option("--avg", "averaged", type=NameList(), default="", metavar="F", help="平均值 mean"),
    TOP,
)
_OVERLAY = (
    click.argument("zones", type=click.Path(exists=True, path_type=Path), metavar="[ZONES]", required=False),
    click.option(
        "--zone",
        "drawn",
        multiple=True,
        metavar="[NAME=]WKT|GEOJSON|@FILE",
        help="手绘分区，可重复；度，经度在前，或按 --crs a drawn zone; repeatable; degrees, lon/lat, or --crs",
    ),
    click.option(
        "--division",
        "divisions",
        multiple=True,
        metavar="CODE|NAME",
        help="以行政区划界线为分区，可重复 a division's boundary, as its owner publishes it, as a zone; repeatable",
    ),
    click.option(
        "--with",
        "subjects",
        multiple=True,
        required=True,
        metavar="COLLECTION|DATASET",
        help="与哪个面图层叠加，可重复 layer of polygons to lay over the zones; repeatable",
    ),
    click.option(
        "--zone-field",
        metavar="COLUMN",
        help="分区名称所在的列，缺省按序编号 column that names the zones [numbers from 1 on]",
    ),
    click.option("--layer", help="分区文件中的图层 layer of the file of zones [唯一者 the only one]"),
    click.option("--encoding", help="分区文件的文字编码 encoding of its texts [文件所示 as the file says]"),
    click.option("--crs", help="分区未注明时的坐标系 CRS of zones that name none"),
    click.option(
        "--zones-from",
        metavar="COLLECTION|DATASET[@CQL2]",
        help="以另一面图层（满足条件）的图斑为分区 features of another layer (that the filter selects) are the zones",
    ),
    click.option(
        "--zones-by",
        type=NameList(),
        default="",
        help="此时按分区图层的这些字段汇总，主键则逐个 then group zones by these fields of theirs; the key: each alone",
    ),
    _GROUP_BY,
)


def stack(function: Callable[..., Any], decorators: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    """Give a command options, the first one first."""
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


def asked_of(given: dict[str, Any]) -> Asked:
    """Take out of what was given what every question has."""
    names = ("where", "bbox", "within", "boundary", "scope", "partial", "versions", "cut")
    return Asked(given.pop("subject", ""), **{name: given.pop(name) for name in names})


def query_options(function: F) -> Callable[..., Any]:
    """Give a command the options of a retrieval; it is called with `asked: AskedQuery`."""

    @functools.wraps(function)
    def command(*args: Any, fields: Any, sort: Any, limit: Any, crs: str, **given: Any) -> Any:
        return function(*args, asked=AskedQuery(asked_of(given), fields, sort, limit, crs), **given)

    return stack(command, (SUBJECT, *COMMON, *_QUERY))


def stats_options(function: F) -> Callable[..., Any]:
    """Give a command the options of a grouping question; it is called with `asked: AskedStats`."""

    @functools.wraps(function)
    def command(
        *args: Any,
        group_by: Any,
        counted: Any,
        summed: Any,
        least: Any,
        greatest: Any,
        averaged: Any,
        top: int,
        **given: Any,
    ) -> Any:
        names = tuple(name for part in counted for name in part or ("",))
        asked = AskedStats(asked_of(given), group_by, names, summed, least, greatest, averaged, top)
        return function(*args, asked=asked, **given)

    return stack(command, (SUBJECT, *COMMON, *_STATS))


def overlay_options(function: F) -> Callable[..., Any]:
    """Give a command the options of an overlay; it is called with `asked: AskedOverlay`."""

    @functools.wraps(function)
    def command(
        *args: Any, subjects: tuple[str, ...], group_by: Any, zones_from: str | None, zones_by: Any, **given: Any
    ) -> Any:
        zones = _given_zones(given)
        if zones_from is not None:
            if zones is not None:
                raise click.UsageError(
                    "分区取自图层或另行给定，只取其一 zones come from a layer or are given, not both"
                )
            return function(
                *args,
                asked=AskedOverlay(GivenSource(zones_from, zones_by), subjects, asked_of(given), group_by),
                **given,
            )
        if zones_by:
            raise click.UsageError("--zones-by 须有 is for --zones-from")
        if zones is None:
            raise click.UsageError("须有分区 zones are needed: ZONES, --zone, --division, --zones-from")
        return function(*args, asked=AskedOverlay(zones, subjects, asked_of(given), group_by), **given)

    return stack(command, _OVERLAY + COMMON)


def _given_zones(given: dict[str, Any]) -> GivenZones | None:
    """Take what was given of zones; None if it is nothing."""
    from node.cli.drawn import Drawn
    from node.cli.zones import GivenZones, ZoneFile

    path, drawn, divisions = given.pop("zones"), given.pop("drawn"), given.pop("divisions")
    field, layer, encoding, crs = (given.pop(name) for name in ("zone_field", "layer", "encoding", "crs"))
    if path is None and not drawn and not divisions:
        if any(value is not None for value in (field, layer, encoding, crs)):
            raise click.UsageError("--zone-field, --layer, --encoding, --crs 须有 are for ZONES")
        return None
    file = None if path is None else ZoneFile(path, field, layer, encoding, crs)
    return GivenZones(file, tuple(Drawn(text, crs or "") for text in drawn), divisions)
