"""The checker finds each fault that a made-up record has, and none where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.robustness.mesh.checker import check
from tests.robustness.mesh.contents import Contents
from tests.robustness.mesh.family import BY_NODE, subtree
from tests.robustness.mesh.questions import KINDS
from tests.robustness.mesh.record import Entry

SEED = 5
ENTRY = "520000"
OWNERS = subtree(ENTRY)
LAST = OWNERS[-1]
CONTENTS = Contents(SEED)
Spoil = Callable[[Entry], None]


def answered(kind: str = "all", number: str = "1", partial: bool = False, **lost: list[Any]) -> Entry:
    """Return a right answer at version 2 of each owner; a member may be another than ANSWERED."""
    members = [lost.get(f"n{node}", [node, "ANSWERED", "", 2, 60, False, ""]) for node in OWNERS]
    plots = [
        plot
        for member in members
        if member[1] in ("ANSWERED", "REPLICA")
        for plot in CONTENTS.plots(member[0], member[3])
    ]
    return {
        "kind": "ask", "number": number, "entry": ENTRY, "question": kind, "subject": ENTRY, "partial": partial,
        "timeout": 1.0, "took": 0.5, "late": 0.0, "pinned": {}, "alone": False,
        "cut": {BY_NODE[node].dataset: 2 for node in OWNERS},
        "complete": not lost, "stale": False, "members": members, "digest": "aa", "alien": [],
        "rows": KINDS[kind].answer(plots, ENTRY)[: KINDS[kind].limit or None],
    }  # fmt: skip


def record(*entries: Entry) -> list[Entry]:
    """Return a whole record in which every owner published three attempts as its versions 1 to 3."""
    finals = [
        {"kind": "final", "owner": owner, "subject": owner, "versions": {"1": 1, "2": 2, "3": 3}} for owner in OWNERS
    ]
    acks = [
        {"kind": "publish", "owner": owner, "attempt": 2, "version": 2, "increment": False, "took": 0.1}
        for owner in OWNERS
    ]
    return [{"kind": "run", "seed": SEED}, *entries, *acks, *finals]


def laws(*entries: Entry) -> set[str]:
    return {breach.law for breach in check(record(*entries)).breaches}


def unreachable(node: str, truncated: bool = False) -> list[Any]:
    return [node, "UNREACHABLE", "GONE", 2, 3 if truncated else 0, truncated, ""]


@pytest.mark.parametrize("kind", KINDS)
def test_right_answers_break_no_law(kind: str) -> None:
    whole, partial = answered(kind), answered(kind, "2", True, **{f"n{LAST}": unreachable(LAST)})
    assert laws(whole, partial) == set()


def test_rows_of_a_lost_member_may_be_there_if_they_are_its_own() -> None:
    entry = answered("all", "1", True, **{f"n{LAST}": unreachable(LAST, truncated=True)})
    own = CONTENTS.plots(LAST, 2)[0]
    entry["rows"] = [*entry["rows"], [LAST, own.number, own.attempt]]
    assert laws(entry) == set()
    entry["rows"][-1][2] = 99
    assert laws(entry) == {"rows of a lost member are its own"}


def mixed(entry: Entry) -> None:
    """Give one plot as the version after the one named has it."""
    before, after = CONTENTS.layer(LAST, 2), CONTENTS.layer(LAST, 3)
    number = next(number for number, at in after.items() if at == 3 and number in before)
    entry["rows"] = [[LAST, number, 3] if row[:2] == [LAST, number] else row for row in entry["rows"]]


def forgotten(entry: Entry) -> None:
    entry["members"] = entry["members"][:-1]
    entry["rows"] = [row for row in entry["rows"] if row[0] != LAST]


def pruned(entry: Entry) -> None:
    entry["members"][-1] = [LAST, "PRUNED", "OUTSIDE_WINDOW", 0, 0, False, ""]
    entry["rows"] = [row for row in entry["rows"] if row[0] != LAST]


def pruned_without_cut(entry: Entry) -> None:
    pruned(entry)
    del entry["cut"][BY_NODE[LAST].dataset]


def unmarked(entry: Entry) -> None:
    entry["members"][-1] = unreachable(LAST)
    entry["rows"] = [row for row in entry["rows"] if row[0] != LAST]


def another_version(entry: Entry) -> None:
    entry["cut"][BY_NODE[LAST].dataset] = 3


def not_as_pinned(entry: Entry) -> None:
    entry["pinned"] = {BY_NODE[LAST].dataset: 1}


def unknown_version(entry: Entry) -> None:
    entry["members"][-1][3] = entry["cut"][BY_NODE[LAST].dataset] = 7


@pytest.mark.parametrize(
    ("spoil", "law"),
    [
        (lambda entry: entry["rows"].pop(), "an answer equals the model"),
        (lambda entry: entry["rows"].append(entry["rows"][0]), "an answer equals the model"),
        (mixed, "an answer equals the model"),
        (forgotten, "every member is named"),
        (pruned, "an answer equals the model"),
        (pruned_without_cut, "who is pruned has nothing"),
        (unmarked, "a partial answer is marked"),
        (another_version, "no answer mixes versions"),
        (not_as_pinned, "no answer mixes versions"),
        (unknown_version, "no version is made up"),
        (lambda entry: entry["alien"].append("a row"), "no row is made up"),
        (lambda entry: entry.update(took=1.06), "deadlines are kept"),
        (lambda entry: entry.update(error="INTERNAL"), "a question fails as it may"),
    ],
)
def test_each_fault_of_an_answer_is_found(spoil: Spoil, law: str) -> None:
    entry = answered()
    spoil(entry)
    assert law in laws(entry)


@pytest.mark.parametrize("spoil", [lambda rows: rows.pop(), lambda rows: rows.append([LAST, 0, 9])])
def test_some_rows_are_as_many_as_asked_for_and_there(spoil: Callable[[list[Any]], None]) -> None:
    entry = answered("some")
    spoil(entry["rows"])
    assert laws(entry) == {"an answer equals the model"}


@pytest.mark.parametrize("kind", ["sorted", "top"])
def test_order_counts(kind: str) -> None:
    entry = answered(kind)
    entry["rows"] = [entry["rows"][1], entry["rows"][0], *entry["rows"][2:]]
    assert laws(entry) == {"an answer equals the model"}


@pytest.mark.parametrize("kind", ["count", "classes", "provinces", "overlay"])
def test_groups_count(kind: str) -> None:
    entry = answered(kind)
    entry["rows"][0][-2] = "1.00"
    assert laws(entry) == {"an answer equals the model"}


def test_a_part_of_an_answer_is_no_answer_where_all_is_required() -> None:
    entry = answered("all", "1", False, **{f"n{LAST}": unreachable(LAST)})
    assert laws(entry) == {"REQUIRE_ALL is whole or an error"}


def test_lateness_of_the_asking_process_is_allowed_for() -> None:
    entry = answered() | {"took": 1.3, "late": 0.26}
    assert laws(entry) == set()


def test_a_dataset_alone_has_one_member() -> None:
    entry = answered()
    last = [member for member in entry["members"] if member[0] == LAST]
    rows = [row for row in entry["rows"] if row[0] == LAST]
    assert laws(entry | {"subject": LAST, "alone": True, "members": last, "rows": rows}) == set()
    assert laws(entry | {"subject": LAST, "alone": True}) == {"every member is named"}


def test_two_digests_of_one_cut_are_found() -> None:
    other = answered(number="2") | {"digest": "bb"}
    assert laws(answered(), other) == {"the same question on the same cut has one digest"}


def test_what_never_ends_is_found() -> None:
    assert laws({"kind": "asked", "number": "9"}) == {"nothing hangs"}
    assert laws({"kind": "publishing", "owner": LAST, "attempt": 3}) == {"nothing hangs"}


@pytest.mark.parametrize("version", [2, 9])
def test_a_lost_publish_is_found(version: int) -> None:
    ack = {"kind": "publish", "owner": LAST, "attempt": 4, "version": version, "increment": True, "took": 0.1}
    assert laws(ack) == {"no acknowledged publish is lost"}


def test_what_does_not_come_right_is_found() -> None:
    assert laws({"kind": "final", "subject": "replicas", "complaint": "behind"}) == {"all comes right in the end"}
    assert laws({"kind": "ended", "node": LAST, "excused": False}) == {"no node ends by itself"}
