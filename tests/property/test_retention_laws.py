"""Laws of retention: what always stays, and that a stricter policy lets go of more."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sync.retention import Dated, Retention, outdated

DAY_MS = 86_400_000
NOW_MS = 1_790_000_000_000

times = st.integers(min_value=0, max_value=NOW_MS)
anything = st.integers(min_value=-(10**15), max_value=10**18)
histories = st.lists(times, min_size=1, max_size=40).map(
    lambda published: [Dated(number, ms) for number, ms in enumerate(sorted(published), 1)]
)
policies = st.builds(Retention, st.integers(0, 6), st.integers(0, 30))
pins = st.frozensets(st.integers(1, 40), max_size=5)


def month(published_ms: int) -> str:
    """Month in Beijing, found out another way than the code under test does."""
    return datetime.fromtimestamp(published_ms / 1000 + 8 * 3600, UTC).strftime("%Y-%m")


@given(policies, histories, pins, anything)
def test_head_pins_and_the_newest_stay(
    policy: Retention, history: list[Dated], pinned: frozenset[int], now_ms: int
) -> None:
    head = history[-1].version
    going = set(outdated(policy, history, head, pinned, now_ms))
    assert head not in going
    assert not going & pinned
    newest = {item.version for item in history[-policy.keep :]} if policy.keep else {item.version for item in history}
    assert not going & newest
    if not policy.keep_months and policy.keep:
        assert going == {item.version for item in history} - newest - pinned


@given(policies, histories, pins, anything)
def test_letting_go_twice_changes_nothing(
    policy: Retention, history: list[Dated], pinned: frozenset[int], now_ms: int
) -> None:
    head = history[-1].version
    going = outdated(policy, history, head, pinned, now_ms)
    left = [item for item in history if item.version not in going]
    assert outdated(policy, left, head, pinned, now_ms) == ()
    assert list(going) == sorted(going)


@given(policies, histories, pins, st.integers(0, 6), st.integers(0, 30))
def test_a_wider_policy_keeps_what_a_narrower_one_keeps(
    policy: Retention, history: list[Dated], pinned: frozenset[int], more: int, months: int
) -> None:
    head = history[-1].version
    wider = Retention(policy.keep + more if policy.keep else 0, policy.keep_months + months)
    assert set(outdated(wider, history, head, pinned, NOW_MS)) <= set(outdated(policy, history, head, pinned, NOW_MS))


@given(st.integers(1, 6), st.integers(1, 30), histories)
def test_of_each_kept_month_exactly_the_last_stays(keep: int, months: int, history: list[Dated]) -> None:
    head = history[-1]
    going = set(outdated(Retention(keep, months), history, head.version, (), NOW_MS))
    newest = {item.version for item in history[-keep:]}
    year, number = map(int, month(head.published_ms).split("-"))
    counted = [divmod(year * 12 + number - 1 - back, 12) for back in range(months + 1)]
    wanted = {f"{years}-{rest + 1:02}" for years, rest in counted}
    last = {month(item.published_ms): item.version for item in history if month(item.published_ms) in wanted}
    assert {item.version for item in history} - going == newest | set(last.values())


@given(policies, histories, pins, st.integers(0, 10**15))
def test_a_clock_ahead_takes_nothing_more(
    policy: Retention, history: list[Dated], pinned: frozenset[int], ahead_ms: int
) -> None:
    head = history[-1]
    right = outdated(policy, history, head.version, pinned, head.published_ms)
    assert outdated(policy, history, head.version, pinned, head.published_ms + ahead_ms) == right


@given(policies, histories, pins)
def test_a_version_on_its_way_stays(policy: Retention, history: list[Dated], pinned: frozenset[int]) -> None:
    head = history[len(history) // 2].version
    assert all(number < head for number in outdated(policy, history, head, pinned, NOW_MS))
