"""From what happened to a member to the outcomes of the datasets behind it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.execution.outcomes import StepResult, outcome_of, outcomes_of, sorted_outcomes
from guotu.model import errors
from guotu.model.answer import Completeness, MemberOutcome, Outcome, Trailer
from guotu.model.plan import Decision, ExpectedDataset, Plan, PlanStep
from guotu.model.question import CompletenessMode, Scope

KEPT = ExpectedDataset("510100/dltb", 4, 500, 1e6, True, "MAY_MATCH")
BEHIND = ExpectedDataset("510104/dltb", 5, 100, 2e6, True, "MAY_MATCH")
PRUNED = ExpectedDataset("510105/dltb", 1, 50, 3e6, False, "OUTSIDE_WINDOW")
ASKED = PlanStep("510100", Decision.ASK, "MAY_MATCH", expected=(KEPT, BEHIND, PRUNED))
PLAN = Plan("510000", "dltb", Scope.SUBTREE, (ASKED,))
STALE = replace(PLAN, stale_registry=True)
AWAY = errors.NodeUnavailable(address="a:1", detail="refused")


def by_dataset(result: StepResult, plan: Plan = PLAN) -> dict[str, MemberOutcome]:
    outcomes = outcomes_of(result, plan)
    assert len({member.dataset for member in outcomes}) == len(outcomes)
    return {member.dataset.split("/")[0]: member for member in outcomes}


def told(*members: MemberOutcome) -> Trailer:
    return Trailer(Completeness(CompletenessMode.ALLOW_PARTIAL, members), 0, 0, b"")


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (errors.DeadlineExceeded(node="n", seconds=1), Outcome.TIMED_OUT),
        (AWAY, Outcome.UNREACHABLE),
        (errors.NodeNotReady(node="n", state="stopping"), Outcome.UNREACHABLE),
        (errors.Refused(detail="no"), Outcome.REFUSED),
        (errors.UnknownVersion(dataset="d", version=1), Outcome.FAILED),
        (errors.StoreFailure(detail="disk"), Outcome.FAILED),
        (errors.TooLarge(what="groups", size=2, limit=1), Outcome.FAILED),
        (errors.NobodyAnswered(missing="all"), Outcome.FAILED),
    ],
    ids=lambda value: getattr(value, "reason", str(value)),
)
def test_an_error_stands_for_an_outcome(failure: errors.GuotuError, outcome: Outcome) -> None:
    assert outcome_of(failure, stale_registry=False) is outcome


def test_every_error_stands_for_an_outcome_that_is_not_whole() -> None:
    for kind in errors.error_classes():
        assert not outcome_of(kind(), stale_registry=False).whole
        assert not outcome_of(kind(), stale_registry=True).whole


def test_with_a_stale_directory_an_unreachable_member_may_have_moved() -> None:
    assert outcome_of(AWAY, stale_registry=True) is Outcome.STALE_REGISTRY
    assert outcome_of(errors.StoreFailure(), stale_registry=True) is Outcome.FAILED
    outcomes = by_dataset(StepResult(ASKED, failure=AWAY), STALE)
    assert outcomes["510100"].outcome is Outcome.STALE_REGISTRY
    assert outcomes["510105"].outcome is Outcome.PRUNED


def test_a_failure_befalls_all_that_was_expected_and_not_pruned() -> None:
    outcomes = by_dataset(StepResult(ASKED, elapsed_ms=12.0, failure=AWAY))
    for name, via in (("510100", ""), ("510104", "510100")):
        member = outcomes[name]
        assert (member.outcome, member.reason, member.via) == (Outcome.UNREACHABLE, "NODE_UNAVAILABLE", via)
        assert "refused" in member.detail
        assert (member.elapsed_ms, member.truncated) == (12.0, False)
    assert (outcomes["510104"].version, outcomes["510104"].advertised_rows) == (5, 100)
    assert outcomes["510104"].advertised_territory_m2 == 2e6
    assert (outcomes["510105"].outcome, outcomes["510105"].reason) == (Outcome.PRUNED, "OUTSIDE_WINDOW")


@pytest.mark.parametrize("delivered", [frozenset({"510104/dltb"}), frozenset({""})], ids=["named", "merged"])
def test_rows_before_a_loss_are_marked(delivered: frozenset[str]) -> None:
    outcomes = by_dataset(StepResult(ASKED, failure=AWAY, delivered=delivered))
    lost = outcomes["510104"]
    assert (lost.outcome, lost.reason, lost.truncated) == (Outcome.FAILED, "LOST_MID_STREAM", True)
    assert outcomes["510100"].truncated is ("" in delivered)
    assert not outcomes["510105"].truncated


def test_lateness_stays_lateness_when_rows_came_before() -> None:
    late = errors.DeadlineExceeded(node="510100", seconds=1)
    lost = by_dataset(StepResult(ASKED, failure=late, delivered=frozenset({"510100/dltb"})))["510100"]
    assert (lost.outcome, lost.reason, lost.truncated) == (Outcome.TIMED_OUT, "DEADLINE_EXCEEDED", True)


def test_what_a_member_tells_is_taken_with_what_we_know() -> None:
    own = MemberOutcome("510100", "510100/dltb", Outcome.ANSWERED, version=4, rows=9, elapsed_ms=1.0)
    city = MemberOutcome("510104", "510104/dltb", Outcome.TIMED_OUT, "DEADLINE_EXCEEDED", elapsed_ms=700.0)
    deep = MemberOutcome("510104-ly", "510104-ly/dltb", Outcome.ANSWERED, via="510104", elapsed_ms=3.0)
    outcomes = by_dataset(StepResult(ASKED, elapsed_ms=40.0, trailer=told(own, city, deep)))
    assert outcomes["510100"] == replace(own, elapsed_ms=40.0, advertised_rows=500, advertised_territory_m2=1e6)
    assert outcomes["510104"] == replace(city, via="510100", advertised_rows=100, advertised_territory_m2=2e6)
    assert outcomes["510104-ly"] == deep
    assert outcomes["510105"].outcome is Outcome.PRUNED


def test_a_member_that_does_not_tell_of_what_was_expected_has_failed_to() -> None:
    own = MemberOutcome("510100", "510100/dltb", Outcome.ANSWERED)
    untold = by_dataset(StepResult(ASKED, trailer=told(own)))["510104"]
    assert (untold.outcome, untold.reason) == (Outcome.FAILED, "NOT_ANSWERED")


def test_what_was_told_outlives_a_failure() -> None:
    own = MemberOutcome("510100", "510100/dltb", Outcome.UNREACHABLE, "NODE_UNAVAILABLE")
    failure = errors.NobodyAnswered(missing="510100/dltb")
    outcomes = by_dataset(StepResult(ASKED, trailer=told(own), failure=failure))
    assert outcomes["510100"].reason == "NODE_UNAVAILABLE"
    assert outcomes["510104"].reason == "NOBODY_ANSWERED"


def test_what_was_not_needed_is_told_apart_from_what_was_cut_short() -> None:
    outcomes = by_dataset(StepResult(ASKED, needed=False, delivered=frozenset({"510100/dltb"})))
    assert (outcomes["510100"].outcome, outcomes["510100"].reason) == (Outcome.ANSWERED, "STOPPED_EARLY")
    assert (outcomes["510104"].outcome, outcomes["510104"].reason) == (Outcome.PRUNED, "NOT_NEEDED")
    assert outcomes["510105"].reason == "OUTSIDE_WINDOW"
    assert not any(member.truncated for member in outcomes.values())


@pytest.mark.parametrize(("plan", "outcome"), [(PLAN, Outcome.UNREACHABLE), (STALE, Outcome.STALE_REGISTRY)])
def test_a_missing_member(plan: Plan, outcome: Outcome) -> None:
    step = PlanStep("510100", Decision.MISSING, "NOT_REGISTERED", "its lease has expired", expected=(KEPT, PRUNED))
    outcomes = by_dataset(StepResult(step), plan)
    member = outcomes["510100"]
    assert (member.outcome, member.reason, member.detail) == (outcome, "NOT_REGISTERED", "its lease has expired")
    assert outcomes["510105"].outcome is Outcome.PRUNED


def test_outcomes_are_sorted_by_dataset() -> None:
    other = PlanStep("510000-ch", Decision.PRUNE, "EMPTY", expected=(replace(PRUNED, dataset="510000-ch/dltb"),))
    results = [StepResult(ASKED, failure=AWAY), StepResult(other)]
    datasets = [member.dataset for member in sorted_outcomes(results, PLAN)]
    assert datasets == ["510000-ch/dltb", "510100/dltb", "510104/dltb", "510105/dltb"]


# ------------------------------------------------------------------------------------------------ completeness


def test_shares_weigh_what_was_not_pruned() -> None:
    members = tuple(
        MemberOutcome("n", f"{number}/dltb", outcome, advertised_rows=rows, advertised_territory_m2=area)
        for number, (outcome, rows, area) in enumerate(
            [(Outcome.ANSWERED, 60, 1.0), (Outcome.TIMED_OUT, 20, 1.0), (Outcome.PRUNED, 1000, 9.0)]
        )
    )
    whole = Completeness(CompletenessMode.ALLOW_PARTIAL, members)
    assert not whole.complete
    assert whole.rows_share == 0.75
    assert whole.territory_share == 0.5
    assert [member.dataset for member in whole.missing] == ["1/dltb"]
    assert whole.missing_sentence() == "1/dltb TIMED_OUT (-)"


def test_shares_of_nothing() -> None:
    assert Completeness(CompletenessMode.REQUIRE_ALL, ()).complete
    assert Completeness(CompletenessMode.REQUIRE_ALL, ()).rows_share == 1.0
    unknown = Completeness(CompletenessMode.REQUIRE_ALL, (MemberOutcome("n", "n/d", Outcome.FAILED),))
    assert (unknown.rows_share, unknown.territory_share, unknown.complete) == (0.0, 0.0, False)


def test_a_long_list_of_missing_members_is_cut_short() -> None:
    members = tuple(MemberOutcome("n", f"{number}/dltb", Outcome.FAILED, "X") for number in range(20))
    sentence = Completeness(CompletenessMode.REQUIRE_ALL, members).missing_sentence()
    assert sentence.count("FAILED") == 8
    assert sentence.endswith("+12")
