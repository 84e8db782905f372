"""Answers from one dataset alone: owner and replica say the same, and a version that is not held is told as such."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from guotu.model import errors
from guotu.model.answer import MemberOutcome, Outcome
from guotu.model.question import CompletenessMode, Options, Query, Question, SortKey
from tests.support.scripted_mesh import ANY_QUESTION, FIELDS, Heard, Mesh, rows_of, three
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")

SICHUAN = "510000/dltb"
OF_ONE = Options(dataset=SICHUAN)
PARTIAL_OF_ONE = replace(OF_ONE, completeness=CompletenessMode.ALLOW_PARTIAL)
GONE = errors.UnknownVersion(dataset=SICHUAN, version=9)


def sichuan(**wrong: object) -> Member:
    return replace(Member("510000", parcels("510000", 25), version=2), **wrong)  # type: ignore[arg-type]


def nation_with_replica(**wrong: object) -> Mesh:
    return Mesh(Member("100000", parcels("100000", 3)), *three(), node="100000", replicas=(sichuan(**wrong),))


def nation() -> Mesh:
    return Mesh(Member("100000", parcels("100000", 3)), *three(), node="100000")


def limited(options: Options) -> Query:
    return Query("dltb", fields=FIELDS, sort=(SortKey("TBMJ"),), limit=4, options=options)


def only(heard: Heard) -> MemberOutcome:
    (member,) = heard.trailer.completeness.members
    return member


@ANY_QUESTION
async def test_owner_asker_and_replica_give_the_same_rows_and_digest(make: Callable[[Options], Question]) -> None:
    options = replace(OF_ONE, cut={SICHUAN: 2})
    heard = [await mesh.ask(make(options)) for mesh in (Mesh(*three()), nation(), nation_with_replica())]
    assert [item.failure for item in heard] == [None] * 3
    assert len({item.trailer.digest for item in heard}) == 1
    assert heard[0].rows == heard[1].rows == heard[2].rows
    assert [only(item).outcome for item in heard] == [Outcome.ANSWERED, Outcome.ANSWERED, Outcome.REPLICA]


async def test_limited_rows_have_one_digest_too() -> None:
    heard = [await mesh.ask(limited(OF_ONE)) for mesh in (Mesh(*three()), nation(), nation_with_replica())]
    assert len({item.trailer.digest for item in heard}) == 1


@ANY_QUESTION
async def test_a_replica_says_who_it_is_and_asks_nobody(make: Callable[[Options], Question]) -> None:
    mesh = nation_with_replica()
    heard = await mesh.ask(make(OF_ONE))
    member = only(heard)
    assert (member.node, member.dataset, member.version) == ("510000", SICHUAN, 2)
    assert (member.outcome, member.reason, member.replica, member.via) == (
        Outcome.REPLICA, "HELD_HERE", "100000", "",
    )  # fmt: skip
    assert heard.trailer.completeness.complete
    assert heard.header.cut == {SICHUAN: 2}
    assert all(not item.asked for item in mesh.members.values())


async def test_the_owner_is_asked_for_this_dataset_alone() -> None:
    mesh = nation()
    heard = await mesh.ask(rows_of(OF_ONE))
    (asked,) = mesh.members["510000"].asked
    assert (asked.options.dataset, asked.options.cut) == (SICHUAN, {SICHUAN: 2})
    assert only(heard).via == ""
    assert [item.asked for name, item in mesh.members.items() if name != "510000"] == [[], [], []]


@ANY_QUESTION
@pytest.mark.parametrize("options", [OF_ONE, PARTIAL_OF_ONE], ids=["strict", "partial"])
async def test_a_version_that_is_not_held_is_unknown(make: Callable[[Options], Question], options: Options) -> None:
    told = MemberOutcome("510000", SICHUAN, Outcome.FAILED, GONE.reason, version=9)
    pinned = make(replace(options, cut={SICHUAN: 9}))
    own = Mesh(sichuan(failure=GONE))
    asker = Mesh(Member("100000"), sichuan(untold=True, others=(told,), rows=[]), node="100000")
    for mesh in (own, asker):
        heard = await mesh.ask(pinned)
        assert isinstance(heard.failure, errors.UnknownVersion)
        kept = " [2]" if mesh is own else ""
        assert heard.failure.facts == {"dataset": SICHUAN, "version": 9, "retained": kept}
        assert heard.rows == []
    replica = await nation_with_replica(failure=GONE).ask(make(replace(options, cut={SICHUAN: 1})))
    assert isinstance(replica.failure, errors.UnknownVersion)


async def test_a_replica_that_fails_is_missing_like_any_member() -> None:
    failing = errors.StoreFailure(detail="disk")
    heard = await nation_with_replica(failure=failing).ask(rows_of(OF_ONE))
    assert isinstance(heard.failure, errors.IncompleteAnswer)
    member = only(heard)
    assert (member.node, member.outcome, member.reason, member.via) == (
        "510000", Outcome.FAILED, "STORE_FAILURE", "",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["510000/xzq", "dltb", "510000"])
async def test_a_dataset_that_does_not_fit_is_refused_before_anybody_is_asked(name: str) -> None:
    mesh = nation()
    heard = await mesh.ask(rows_of(Options(dataset=name)))
    assert isinstance(heard.failure, errors.InvalidQuestion)
    assert (heard.frames, heard.failure.facts["part"]) == ([], "dataset")


async def test_a_dataset_that_nobody_has_is_unknown() -> None:
    heard = await nation().ask(rows_of(Options(dataset="520000/dltb")))
    assert isinstance(heard.failure, errors.UnknownDataset)
    assert heard.frames == []
