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


class NobodyAnswered(Incomplete):
    """Not one member answered. Facts: missing."""

    reason = "NOBODY_ANSWERED"
    zh = "没有任何成员应答：{missing}。"
    en = "nobody answered: {missing}."
    remedy_zh = "guotu nodes 查看在线节点。"
    remedy_en = "`guotu nodes` shows who is there."
