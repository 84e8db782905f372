"""Answers where members fail: what is missing is named, nothing passes for whole that is not."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from guotu.model import errors
from guotu.model.answer import MemberOutcome, Outcome
from guotu.model.question import (
    Options,
)
from tests.support.scripted_mesh import (
    ANY_QUESTION,
    LOST,
    PARTIAL,
    Make,
    Mesh,
    expected_totals,
    rows_of,
    three,
    totals,
)
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")


@ANY_QUESTION
async def test_strict_questions_fail_and_say_who_is_missing(make: Make) -> None:
    heard = await Mesh(*three(failure=LOST)).ask(make(Options()))
    assert isinstance(heard.failure, errors.IncompleteAnswer)
    assert heard.failure.completeness == heard.trailer.completeness
    assert heard.outcomes["510100"].outcome is Outcome.UNREACHABLE
    assert "510100/dltb UNREACHABLE (NODE_UNAVAILABLE)" in str(heard.failure)


@ANY_QUESTION
async def test_partial_answers_hold_the_others_whole_and_are_marked(make: Make) -> None:
    province, lost, city = three(failure=LOST)
    heard = await Mesh(province, lost, city).ask(make(PARTIAL))
    alone = await Mesh(province, city).ask(make(PARTIAL))
    assert heard.failure is None
    assert heard.rows == alone.rows
    assert heard.trailer.digest == alone.trailer.digest
    assert not heard.trailer.completeness.complete
    assert heard.trailer.completeness.rows_share == pytest.approx(70 / 105)
    assert [member.dataset for member in heard.trailer.completeness.missing] == ["510100/dltb"]


@ANY_QUESTION
async def test_nobody_answering_is_an_error_in_either_mode(make: Make) -> None:
    members = [replace(member, failure=LOST) for member in three()]
    heard = await Mesh(*members).ask(make(PARTIAL))
    assert isinstance(heard.failure, errors.NobodyAnswered)
    assert heard.rows == []
    strict = await Mesh(*members).ask(make(Options()))
    assert isinstance(strict.failure, errors.IncompleteAnswer)


async def test_nobody_answering_is_an_error_if_all_others_are_pruned() -> None:
    members = three(failure=LOST)
    mesh = Mesh(members[1], replace(members[2], rows=[]))
    heard = await mesh.ask(rows_of(PARTIAL))
    assert isinstance(heard.failure, errors.NobodyAnswered)
    assert heard.outcomes["510200"].reason == "EMPTY"


@ANY_QUESTION
async def test_a_strict_question_with_a_missing_member_asks_nobody(make: Make) -> None:
    mesh = Mesh(*three(), gone=("510100",))
    heard = await mesh.ask(make(Options()))
    assert isinstance(heard.failure, errors.IncompleteAnswer)
    assert all(member.opened == 0 for member in mesh.members.values())
    assert heard.outcomes["510100"].reason == "NOT_REGISTERED"
    assert heard.outcomes["510200"].reason == "NOT_NEEDED"
    assert heard.rows == []


@pytest.mark.parametrize(("stale", "outcome"), [(False, Outcome.UNREACHABLE), (True, Outcome.STALE_REGISTRY)])
async def test_a_missing_member_of_a_partial_question(stale: bool, outcome: Outcome) -> None:
    heard = await Mesh(*three(), gone=("510100",), stale=stale).ask(rows_of(PARTIAL))
    assert heard.failure is None
    assert heard.outcomes["510100"].outcome is outcome
    assert len(heard.rows) == 70


async def test_a_member_out_of_reach_with_a_stale_directory() -> None:
    heard = await Mesh(*three(failure=LOST), stale=True).ask(rows_of(PARTIAL))
    assert heard.outcomes["510100"].outcome is Outcome.STALE_REGISTRY


@pytest.mark.parametrize(
    ("failure", "outcome", "reason"),
    [
        (errors.Refused(detail="no grant"), Outcome.REFUSED, "REFUSED"),
        (errors.UnknownVersion(dataset="510100/dltb", version=3), Outcome.FAILED, "UNKNOWN_VERSION"),
        (errors.StoreFailure(detail="disk"), Outcome.FAILED, "STORE_FAILURE"),
        (ValueError("a peer of another kind"), Outcome.FAILED, "INTERNAL"),
        (KeyError("decision"), Outcome.FAILED, "INTERNAL"),
        (MemoryError(), Outcome.FAILED, "INTERNAL"),
        (TimeoutError(), Outcome.TIMED_OUT, "DEADLINE_EXCEEDED"),
    ],
    ids=repr,
)
async def test_any_failure_costs_the_member_and_not_the_answer(
    failure: Exception, outcome: Outcome, reason: str
) -> None:
    heard = await Mesh(*three(failure=failure)).ask(rows_of(PARTIAL), timeout=3600.0)
    member = heard.outcomes["510100"]
    assert (member.outcome, member.reason) == (outcome, reason)
    assert len(heard.rows) == 70


async def test_the_own_store_may_fail_like_any_member() -> None:
    province, *cities = three()
    heard = await Mesh(replace(province, failure=errors.StoreFailure(detail="disk")), *cities).ask(rows_of(PARTIAL))
    assert heard.outcomes["510000"].reason == "STORE_FAILURE"
    assert len(heard.rows) == 80


async def test_rows_before_a_loss_go_out_marked_and_not_digested() -> None:
    heard = await Mesh(*three(failure=LOST, fails_after=2)).ask(rows_of(PARTIAL))
    lost = heard.outcomes["510100"]
    assert (lost.outcome, lost.reason, lost.truncated) == (Outcome.FAILED, "LOST_MID_STREAM", True)
    assert len(heard.rows) == 25 + 20 + 45
    assert heard.trailer.rows == 90
    assert [part.dataset for part in heard.trailer.segments] == ["510000/dltb", "510200/dltb"]


async def test_groups_of_a_member_lost_half_way_do_not_count() -> None:
    province, lost, city = three(failure=LOST, fails_after=1, batch_rows=1)
    heard = await Mesh(province, lost, city).ask(totals(PARTIAL))
    assert heard.rows == expected_totals(province, city)
    member = heard.outcomes["510100"]
    assert (member.outcome, member.truncated) == (Outcome.UNREACHABLE, False)


async def test_an_answer_without_trailer_is_a_failure() -> None:
    for make in (rows_of, totals):
        heard = await Mesh(*three(no_trailer=True)).ask(make(PARTIAL))
        assert heard.outcomes["510100"].outcome is Outcome.FAILED
        assert not heard.trailer.completeness.complete


@ANY_QUESTION
async def test_a_failure_after_the_trailer_changes_nothing(make: Make) -> None:
    """The trailer has told that all is there; a strict answer must neither fail nor lose the others' rows."""
    heard = await Mesh(*three(failure=LOST, fails_after=None)).ask(make(Options()))
    whole = await Mesh(*three()).ask(make(Options()))
    assert heard.failure is None
    assert heard.trailer.completeness.complete
    assert heard.rows == whole.rows
    assert heard.trailer.digest == whole.trailer.digest


async def test_a_member_with_another_schema_is_refused() -> None:
    heard = await Mesh(*three(schema=pa.schema([("BSM", pa.string())]))).ask(rows_of(PARTIAL))
    member = heard.outcomes["510100"]
    assert (member.outcome, member.reason) == (Outcome.FAILED, "INTERNAL")
    assert "schema" in member.detail


async def test_what_lies_behind_a_member_is_told_with_its_way() -> None:
    behind = (
        MemberOutcome("510104", "510104/dltb", Outcome.TIMED_OUT, "DEADLINE_EXCEEDED"),
        MemberOutcome("510104-ly", "510104-ly/dltb", Outcome.ANSWERED, via="510104", rows=3),
    )
    mesh = Mesh(*three(others=behind), Member("510104", parcels("510104", 5)))
    heard = await mesh.ask(rows_of(PARTIAL))
    assert {name: member.via for name, member in heard.outcomes.items()} == {
        "510000": "",
        "510100": "",
        "510104": "510100",
        "510104-ly": "510104",
        "510200": "",
    }
    assert [member.dataset for member in heard.trailer.completeness.missing] == ["510104/dltb"]
    assert heard.outcomes["510104"].advertised_rows == 5
    strict = await mesh.ask(rows_of(Options()))
    assert isinstance(strict.failure, errors.IncompleteAnswer)


async def test_a_member_that_tells_of_nothing_is_not_believed() -> None:
    heard = await Mesh(*three(untold=True)).ask(rows_of(Options()))
    assert isinstance(heard.failure, errors.IncompleteAnswer)
    assert heard.outcomes["510100"].reason == "NOT_ANSWERED"
