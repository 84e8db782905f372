"""What is said of an increment that does not fit what is published."""

from __future__ import annotations

from node.ingest.kinds import FaultKind
from node.ingest.sentence import Sentence

INCREMENTS = {
    FaultKind.UNKNOWN_OPERATION: Sentence(
        "变更类型列 {field} 有 {count} 个值不是新增或变更：{values}",
        "{count} values of the operation column {field} are neither insert nor update: {values}",
        "可用 insert/I/新增、update/U/变更，或留空；要删除的放进 --deletes 文件。",
        "Use insert/I/新增, update/U/变更, or leave it empty; what is to be deleted goes into the file of --deletes.",
    ),
    FaultKind.INSERT_OF_EXISTING: Sentence(
        "{count} 个注明“新增”的要素已经存在",
        "{count} features stated as inserts are there already",
        "若是变更，请改注“变更”；若另有其物，请换标识码。",
        "State them as updates if they are; give them other keys if they are other features.",
    ),
    FaultKind.UPDATE_OF_MISSING: Sentence(
        "{count} 个注明“变更”的要素并不存在",
        "{count} features stated as updates are not there",
        "请核对标识码；若是新增，请改注“新增”。",
        "Check their keys; state them as inserts if they are new.",
    ),
    FaultKind.DELETE_OF_MISSING: Sentence(
        "要删除的 {count} 个要素并不存在",
        "{count} features to delete are not there",
        "请核对标识码，或确认增量是否已经发布过（guotu versions）。",
        "Check their keys, and whether the increment was published already (guotu versions).",
    ),
    FaultKind.BEFORE_DIFFERS: Sentence(
        "字段 {field} 有 {count} 个要素注明的变更前值与现有值不符（注明 ≠ 现有）：{values}",
        "the value of {field} before the change, as stated for {count} features, is not what is there "
        "(stated ≠ present): {values}",
        "增量可能基于别的版本，请核对后重新制作。",
        "The increment may have been made from another version; check it and make it anew.",
    ),
    FaultKind.CHANGED_AND_DELETED: Sentence(
        "{count} 个要素既在增量中又在删除清单中",
        "{count} features are both among the changes and among the deletes",
        "请只保留其一。",
        "Keep one of the two.",
    ),
}
