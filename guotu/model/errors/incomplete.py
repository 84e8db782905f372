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


class NobodyAnswered(Incomplete):
    """Not one member answered. Facts: missing."""

    reason = "NOBODY_ANSWERED"
    zh = "没有任何成员应答：{missing}。"
    en = "nobody answered: {missing}."
    remedy_zh = "guotu nodes 查看在线节点。"
    remedy_en = "`guotu nodes` shows who is there."
