"""Answers that lack members."""

from __future__ import annotations

from guotu.model.errors.root import GuotuError


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


class VersionGone(IncompleteAnswer):
    """Versions that the question names are not retained any more. Facts: gone (all of them)."""

    reason = "VERSION_GONE"
    zh = "所问切面中有版本已不再保留（方括号内为现有版本）：{gone}。"
    en = "versions of the cut are not retained any more (those in brackets are): {gone}."
    remedy_zh = "请按现有版本另问，或用 --partial 只答其余；今后要重现的版本，请其节点用 guotu pin 留住。"
    remedy_en = (
        "Ask at versions that are retained, or for the rest with --partial; versions to be asked for again are kept by "
        "`guotu pin` at their node."
    )


class BoundaryMissing(IncompleteAnswer):
    """Who holds a division's boundary does not answer, and nobody can be asked without. Facts: division, missing."""

    reason = "BOUNDARY_MISSING"
    zh = "取不到行政区划 {division} 的界线，持有者未应答：{missing}。"
    en = "the boundary of {division} is not to be had, who holds it does not answer: {missing}."
    remedy_zh = (
        "--partial 于此无用。请待其恢复，或先由所问节点订阅该行政区图层（guotu subscribe）；"
        "亦可用 --within 给出面文件，或六位代码（按要素的区划字段）。"
    )
    remedy_en = (
        "--partial does not help here. Ask again once it is back, or have the node that is asked subscribe to that "
        "layer (guotu subscribe); or give --within a file of polygons, or the six-digit code (by the features' "
        "division field)."
    )


class NobodyAnswered(Incomplete):
    """Not one member answered. Facts: missing."""

    reason = "NOBODY_ANSWERED"
    zh = "没有任何成员应答：{missing}。"
    en = "nobody answered: {missing}."
    remedy_zh = "guotu nodes 查看在线节点。"
    remedy_en = "`guotu nodes` shows who is there."
