"""The checks of one run: each answer against what the files say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import shapely

from demo.asking import Asked
from demo.checks import Check, compare_sequences, compare_sets, compare_totals, compare_values, summed, totals_of
from demo.edit import Edit, Row
from demo.owners import Part
from demo.questions import BORDER, DIVISION, ELSEWHERE, LARGEST, NAMED, around_chengdu
from demo.replica import Replication
from demo.source_data import SourceData
from guotu.model.records import DatasetRecord

Answers = Mapping[str, Asked]
"""What came back, by the name of the question."""


def check_datasets(parts: Sequence[Part], datasets: Sequence[DatasetRecord]) -> Check:
    """Every owner holds as many rows as it was given."""
    expected = {part.dataset: part.rows for part in parts}
    found = {item.dataset: item.rows for item in datasets}
    return compare_values("datasets", "各数据集的行数 rows of each dataset", expected, found)


def check_totals(answers: Answers, source: SourceData) -> Iterator[Check]:
    """Yield checks of the totals by class and province."""
    classes = totals_of(answers["classes"].rows_of(), "igbp")
    provinces = totals_of(answers["provinces"].rows_of(), "province", "igbp")
    title = "各类图斑数与公顷数逐位一致 patches and hectares of each class, to the last digit"
    yield compare_totals("classes", title, source.totals(lambda patch: patch.igbp), classes)
    title = "各省各类逐位一致 the same in each province"
    by_province = source.totals(lambda patch: (f"{patch.county[:2]}0000", patch.igbp))
    yield compare_totals("provinces", title, by_province, provinces)
    yield compare_totals("sum", "各省之和等于全国 the provinces add up to the nation", classes, summed(provinces))


def check_features(answers: Answers, source: SourceData) -> Iterator[Check]:
    """Yield checks of which features came back."""
    window = shapely.box(BORDER.xmin, BORDER.ymin, BORDER.xmax, BORDER.ymax)
    title = "交界处的图斑，一个不多一个不少 the patches of the window, no more and no fewer"
    yield compare_sets("border", title, source.patches_meeting(window), _keys(answers["border"]))
    counties = {
        "named": ("按名称查得的区县 counties by name", source.counties_ending_in(NAMED)),
        "division": ("成都市的区县 counties of one division", source.counties_below(DIVISION[:4])),
        "within": ("多边形内的区县 counties within the polygon", source.counties_within(around_chengdu())),
    }
    for name, (title, expected) in counties.items():
        yield compare_sets(name, title, expected, _keys(answers[name]))
    title = "最大的图斑及其次序 the largest patches, in order"
    yield compare_sequences("largest", title, source.largest_patches(LARGEST), _keys(answers["largest"]))


def check_overlay(answers: Answers, source: SourceData) -> Check:
    """The members found together what one computation over all patches finds."""
    title = "各节点叠加之和等于整体计算 what the nodes cut and add up equals one computation over everything"
    found = totals_of(answers["overlay"].rows_of(), "igbp", area="area_m2")
    return compare_totals("overlay", title, source.cut_by(around_chengdu()), found)


def check_loss(answers: Answers, source: SourceData, lost: str) -> Iterator[Check]:
    """Yield checks of what was said while the node `lost` was gone."""
    title = "部分结果等于其余节点之和 the partial answer is what the others hold"
    expected = source.totals(lambda patch: patch.igbp, without=lost)
    yield compare_totals("partial", title, expected, totals_of(answers["partial"].rows_of(), "igbp"))
    title = "部分结果有标记，指明缺谁 the partial answer is marked and names who is missing"
    share = sum(patch.owner != lost for patch in source.patches) / len(source.patches)
    marked = {"complete": False, "missing": [f"{lost}/landcover"], "rows_share": f"{share:.6f}"}
    yield compare_values("marked", title, marked, _marks(answers["partial"]))
    error = answers["refused"].error
    refusal = {"reason": "" if error is None else error.reason, "rows": answers["refused"].rows}
    title = "要求完整时拒绝回答 REQUIRE_ALL is refused"
    yield compare_values("refused", title, {"reason": "INCOMPLETE_ANSWER", "rows": 0}, refusal)
    title = "与它无关的问题照常完整 a question that does not need it is complete"
    yield compare_sets("elsewhere", title, source.counties_below(ELSEWHERE[:4]), _keys(answers["elsewhere"]))


def check_return(answers: Answers, before: Sequence[DatasetRecord], after: Sequence[DatasetRecord]) -> Check:
    """The node is back at its old versions, and the same question has the same digest."""
    title = "恢复后版本不变，同一问题摘要不变 the same versions and the same digest after the return"
    first, again = answers["classes"], answers["again"]
    return compare_values(
        "again",
        title,
        {"digest": first.digest, **{item.dataset: (item.version, item.manifest) for item in before}},
        {"digest": again.digest, **{item.dataset: (item.version, item.manifest) for item in after}},
    )


def check_relief(answers: Answers, lost: str, holder: str) -> Check:
    """A replica at `holder` answered for the node `lost` as that node did."""
    title = "断电时副本给出同样的完整结果 the replica gave the same whole answer in place of the lost node"
    relieved = answers["relieved"]
    members = () if relieved.completeness is None else relieved.completeness.members
    told = next((member for member in members if member.node == lost), None)
    return compare_values(
        "relief",
        title,
        {"digest": answers["whole"].digest, "outcome": f"REPLICA {holder}"},
        {"digest": relieved.digest, "outcome": "" if told is None else f"{told.outcome} {told.replica}"},
    )


def check_journey(found: Replication, edit: Edit) -> Iterator[Check]:
    """Yield checks of what arrived of an edit at the replica."""
    owner, replica = found.ends
    title = "副本摘要等于所有者的摘要 the replica's digest equals the owner's"
    digests = {"digest": owner.verified.digest, "signed": owner.verified.expected, "rows": owner.verified.rows}
    held = {"digest": replica.verified.digest, "signed": replica.verified.expected, "rows": replica.verified.rows}
    yield compare_values("replica", title, digests, held)
    title = "差异等于所作的变更 the diff equals the edit made"
    told = {} if found.difference is None else _told(found.difference.table)
    yield compare_values("diff", title, _made(edit), told)
    title = "旧版本在两处仍给出旧摘要 the old version still answers with its old digest, at both ends"
    old = {end.node: end.answers[min(end.answers)] for end in found.ends}
    yield compare_values("old", title, dict.fromkeys(old, found.before), old)


def _made(edit: Edit) -> dict[str, object]:
    """Return what an edit made of each patch, by key."""
    ops = {key: "update" for key in edit.updated} | {key: "insert" for key in edit.inserted}
    ops |= {key: "delete" for key in edit.deleted}
    return {key: (op, _plain(edit.before.get(key)), _plain(edit.after.get(key))) for key, op in ops.items()}


def _told(difference: pa.Table) -> dict[str, object]:
    """Return what a difference says of each patch, by key."""
    rows = difference.to_pylist()
    return {row["bsm"]: (row["op"], _plain(_parsed(row["before"])), _plain(_parsed(row["after"]))) for row in rows}


def _parsed(row: Mapping[str, Any] | None) -> Row | None:
    return None if row is None else {**row, "geometry": shapely.from_wkb(row["geometry"])}


def _plain(row: Row | None) -> dict[str, str] | None:
    """Return a patch in a form that can be compared and printed."""
    if row is None:
        return None
    return {name: row[name].normalize().wkt if name == "geometry" else str(row[name]) for name in sorted(row)}


def _marks(asked: Asked) -> dict[str, object]:
    told = asked.completeness
    if told is None:
        return {}
    missing = [member.dataset for member in told.missing]
    return {"complete": told.complete, "missing": missing, "rows_share": f"{told.rows_share:.6f}"}


def _keys(asked: Asked) -> list[str]:
    """Return the first column of an answer, which is its key."""
    keys: list[str] = asked.rows_of().column(0).to_pylist()
    return keys
