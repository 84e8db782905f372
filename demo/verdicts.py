"""The checks of one run: each answer against what the files say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import shapely

from demo.asking import Asked
from demo.checks import (
    Check,
    compare_sequences,
    compare_sets,
    compare_totals,
    compare_values,
    summed,
    totals_of,
)
from demo.owners import Part
from demo.questions import BORDER, DIVISION, ELSEWHERE, LARGEST, NAMED, around_chengdu
from demo.source_data import SourceData
from guotu.model.records import DatasetRecord


def check_datasets(parts: Sequence[Part], datasets: Sequence[DatasetRecord]) -> Check:
    """Every owner holds as many rows as it was given."""
    expected = {part.dataset: part.rows for part in parts}
    found = {item.dataset: item.rows for item in datasets}
    return compare_values("datasets", "各数据集的行数与所发布者一致 rows of each dataset", expected, found)


def check_answers(asked: Mapping[str, Asked], source: SourceData) -> Iterator[Check]:
    """Yield a check of every answer given while all nodes were there."""
    by_class = source.totals(lambda patch: patch.igbp)
    by_province = source.totals(lambda patch: (f"{patch.county[:2]}0000", patch.igbp))
    classes = totals_of(asked["classes"].rows_of(), "igbp")
    provinces = totals_of(asked["provinces"].rows_of(), "province", "igbp")
    window = shapely.box(BORDER.xmin, BORDER.ymin, BORDER.xmax, BORDER.ymax)
    yield compare_totals(
        "classes", "各类图斑数与公顷数逐位一致 patches and hectares of each class, to the last digit", by_class, classes
    )
    yield compare_totals("provinces", "各省各类逐位一致 the same for each province", by_province, provinces)
    yield compare_totals("sum", "各省之和等于全国 the provinces add up to the nation", classes, summed(provinces))
    yield compare_sets(
        "border",
        "交界处的图斑一个不差 every patch of the window",
        source.patches_meeting(window),
        _keys(asked["border"]),
    )
    yield compare_sets(
        "named", "按名称查得的区县 counties by name", source.counties_ending_in(NAMED), _keys(asked["named"])
    )
    yield compare_sequences(
        "largest",
        "最大图斑及其次序 the largest patches, in order",
        source.largest_patches(LARGEST),
        _keys(asked["largest"]),
    )
    yield compare_sets(
        "division",
        "成都市的区县 counties of one division",
        source.counties_below(DIVISION[:4]),
        _keys(asked["division"]),
    )
    yield compare_sets(
        "within", "多边形内的区县 counties within the polygon", source.counties_within(around_chengdu()),
        _keys(asked["within"]),
    )  # fmt: skip


def check_loss(asked: Mapping[str, Asked], source: SourceData, lost: str) -> Iterator[Check]:
    """Yield checks of what was said while a node was gone."""
    partial, refused, elsewhere = asked["partial"], asked["refused"], asked["elsewhere"]
    expected = source.totals(lambda patch: patch.igbp, without=lost)
    yield compare_totals(
        "partial", "部分结果等于其余节点之和 the partial answer is what the others hold", expected,
        totals_of(partial.rows_of(), "igbp"),
    )  # fmt: skip
    told = partial.completeness
    assert told is not None
    held = sum(patch.owner != lost for patch in source.patches) / len(source.patches)
    yield compare_values(
        "marked",
        "部分结果有标记，指明缺谁 the partial answer is marked and names who is missing",
        {"complete": False, "missing": [f"{lost}/landcover"], "rows_share": f"{held:.6f}"},
        {
            "complete": told.complete,
            "missing": [member.dataset for member in told.missing],
            "rows_share": f"{told.rows_share:.6f}",
        },
    )
    yield compare_values(
        "refused",
        "要求完整时拒绝回答 REQUIRE_ALL is refused",
        {"reason": "INCOMPLETE_ANSWER", "rows": 0},
        {"reason": "" if refused.error is None else refused.error.reason, "rows": refused.rows},
    )
    yield compare_sets(
        "elsewhere", "不涉及它的问题照常完整 a question that does not need it is complete",
        source.counties_below(ELSEWHERE[:4]), _keys(elsewhere),
    )  # fmt: skip


def check_return(asked: Mapping[str, Asked], before: Sequence[DatasetRecord], after: Sequence[DatasetRecord]) -> Check:
    """The node is back at its old versions, and the same question has the same digest."""
    first, again = asked["classes"], asked["again"]
    return compare_values(
        "again",
        "恢复后同一问题同一摘要 the same question has the same digest again",
        {"digest": first.digest, **{item.dataset: _state(item) for item in before}},
        {"digest": again.digest, **{item.dataset: _state(item) for item in after}},
    )


def _state(record: DatasetRecord) -> str:
    return f"@{record.version} {record.manifest}"


def _keys(asked: Asked) -> list[str]:
    """Return the first column of an answer, which is its key."""
    keys: list[str] = asked.rows_of().column(0).to_pylist()
    return keys
