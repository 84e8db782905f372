"""Quantiles are the values that sorting finds, and classes count every value once, whoever holds which."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.errors import IncompleteAnswer, InvalidQuestion, StoreFailure
from guotu.model.question import Aggregate, AggregateFunction, Bins, Quantiles, Stats
from tests.support.scripted_mesh import LOST, PARTIAL, Heard, Mesh
from tests.support.scripted_peers import Member

NODES = ("510000", "510100", "510200", "510300")
COUNT = (Aggregate(AggregateFunction.COUNT, "", "count"),)
_CENTS = st.integers(-(10**15) + 1, 10**15 - 1).map(lambda cents: float(Decimal(cents).scaleb(-2)))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "TBMJ": _CENTS | st.integers(0, 300).map(lambda cents: cents / 100),
    "KD": st.floats(allow_nan=False, allow_infinity=False, width=64) | st.sampled_from([0.0, -0.0, 1.5, 5e-324]),
    "SJNF": st.integers(-(2**63), 2**63 - 1) | st.integers(2000, 2030),
    "GXRQ": st.dates() | st.sampled_from([date.max, date(9999, 12, 30), date.min]),
}
SHARES = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), min_size=1, max_size=5)


@st.composite
def held(draw: st.DrawFn) -> tuple[str, list[list[Any]]]:
    """Draw a field, and its values at each of some members."""
    name = draw(st.sampled_from(sorted(VALUES)))
    return name, draw(st.lists(st.lists(st.none() | VALUES[name], max_size=12), min_size=1, max_size=4))


def mesh(name: str, parts: list[list[Any]]) -> Mesh:
    """Return a mesh whose members hold these values of a field."""
    members = [
        Member(node, [{"BSM": f"{node}{number}", name: value} for number, value in enumerate(part)])
        for node, part in zip(NODES, parts, strict=False)
    ]
    return Mesh(*members)


def ask(asked: Mesh, question: Stats) -> Heard:
    return asyncio.run(asked.ask(question))


@settings(max_examples=20, deadline=None)
@given(held(), SHARES)
def test_quantiles_are_what_sorting_finds(drawn: tuple[str, list[list[Any]]], shares: list[float]) -> None:
    name, parts = drawn
    values = sorted(value for part in parts for value in part if value is not None)
    heard = ask(mesh(name, parts), Stats("dltb", (), quantiles=Quantiles(name, tuple(shares))))
    assert heard.failure is None
    ranks = [max(math.ceil(Decimal(repr(share)) * len(values)), 1) if values else None for share in shares]
    assert heard.rows == [
        {
            "quantile": share,
            "value": None if rank is None else values[rank - 1],
            "rank": rank,
            "count": len(values),
        }
        for share, rank in zip(shares, ranks, strict=True)
    ]
    whole = [[value for part in parts for value in part]]
    again = ask(mesh(name, whole), Stats("dltb", (), quantiles=Quantiles(name, tuple(shares))))
    assert heard.trailer.digest == again.trailer.digest


@settings(max_examples=15, deadline=None)
@given(held(), st.integers(1, 20))
def test_classes_of_equal_width_hold_all_values(drawn: tuple[str, list[list[Any]]], count: int) -> None:
    name, parts = drawn
    values = [value for part in parts for value in part]
    heard = ask(mesh(name, parts), Stats("dltb", COUNT, bins=Bins(name, count)))
    assert heard.failure is None
    known = [row for row in heard.rows if row["bin"] is not None]
    assert sum(row["count"] for row in heard.rows) == len(values)  # type: ignore[misc]
    assert [row["bin"] for row in known] == list(range(1, len(known) + 1))
    assert len(known) <= count
    assert all(one["high"] == other["low"] for one, other in pairwise(known))
    nulls = [row["count"] for row in heard.rows if row["bin"] is None]
    assert nulls == ([values.count(None)] if None in values else [])


@pytest.mark.parametrize("others", [[], [date(9999, 12, 30)], [date(9999, 12, 29)], [date(2020, 1, 1)] * 3, [date.min]])
def test_the_last_day_that_there_is_counts_as_any_other(others: list[date]) -> None:
    """Registers write 9999-12-31 for what has no end."""
    asked = mesh("GXRQ", [[date.max, *others], [date.max]])
    heard = ask(asked, Stats("dltb", (), quantiles=Quantiles("GXRQ", (0.0, 1.0))))
    assert [row["value"] for row in heard.rows] == [min([date.max, *others]), date.max]
    heard = ask(asked, Stats("dltb", COUNT, bins=Bins("GXRQ", 3)))
    assert sum(row["count"] for row in heard.rows) == len(others) + 2  # type: ignore[misc]
    assert heard.rows[-1]["high"] == date.max


def test_classes_with_edges_also_tell_what_lies_outside() -> None:
    asked = mesh("TBMJ", [[0.5, 1.0, 1.99], [2.0, 3.0, 3.01, None]])
    heard = ask(asked, Stats("dltb", COUNT, bins=Bins("TBMJ", 0, ("1", "2", "2.5", "3"))))
    assert heard.rows == [
        {"bin": 0, "low": None, "high": 1.0, "count": 1},
        {"bin": 1, "low": 1.0, "high": 2.0, "count": 2},
        {"bin": 2, "low": 2.0, "high": 2.5, "count": 1},
        {"bin": 3, "low": 2.5, "high": 3.0, "count": 1},
        {"bin": 4, "low": 3.0, "high": None, "count": 1},
        {"bin": None, "low": None, "high": None, "count": 1},
    ]


def test_classes_between_two_values() -> None:
    asked = mesh("TBMJ", [[0.5, 1.0], [2.0, 3.0]])
    heard = ask(asked, Stats("dltb", COUNT, bins=Bins("TBMJ", 2, ("0", "3"))))
    assert [(row["low"], row["high"], row["count"]) for row in heard.rows] == [(0.0, 1.5, 2), (1.5, 3.0, 2)]
    assert len(asked.members["510100"].asked) == 1


def test_all_rounds_are_on_the_cut_of_the_first() -> None:
    asked = mesh("TBMJ", [[1.0], [2.0, 1000.0]])
    heard = ask(asked, Stats("dltb", (), quantiles=Quantiles("TBMJ", (0.5,))))
    assert heard.header.cut == {"510000/dltb": 1, "510100/dltb": 1}
    questions = asked.members["510100"].asked
    assert len(questions) > 1
    assert all(question.options.cut == {"510100/dltb": 1} for question in questions)


def test_a_lost_member_fails_or_marks_the_answer() -> None:
    question = Stats("dltb", (), quantiles=Quantiles("TBMJ", (1.0,)))
    asked = mesh("TBMJ", [[1.0, 7.0], [2.0, 1000.0]])
    asked.members["510100"].failure = LOST
    assert isinstance(ask(asked, question).failure, IncompleteAnswer)
    heard = ask(asked, replace(question, options=PARTIAL))
    assert heard.failure is None
    assert [row["value"] for row in heard.rows] == [7.0]
    assert not heard.trailer.completeness.complete


class Leaving(Member):
    """A member that fails after its first answer, each time that it was there; it is not asked again for that."""

    def table(self, question: Any) -> Any:
        if len(self.asked) % 2 == 0:
            raise StoreFailure(detail="the engine failed")
        return super().table(question)


def test_members_that_come_and_go_do_not_make_an_answer() -> None:
    rows = [{"BSM": str(number), "TBMJ": float(number)} for number in range(9)]
    asked = Mesh(Member("510000", rows), Leaving("510100", rows))
    heard = ask(asked, Stats("dltb", (), quantiles=Quantiles("TBMJ", (0.5,)), options=PARTIAL))
    assert isinstance(heard.failure, IncompleteAnswer)


WRONG = [
    Stats("dltb", COUNT, bins=Bins("DLBM", 5)),
    Stats("dltb", COUNT, ("DLBM",), bins=Bins("TBMJ", 5)),
    Stats("dltb", COUNT, bins=Bins("TBMJ", 5, ("1", "2", "3"))),
    Stats("dltb", COUNT, bins=Bins("TBMJ", 1025)),
    Stats("dltb", COUNT, bins=Bins("TBMJ", -1)),
    Stats("dltb", COUNT, bins=Bins("TBMJ")),
    Stats("dltb", COUNT, bins=Bins("TBMJ", 0, ("2", "1"))),
    Stats("dltb", COUNT, bins=Bins("TBMJ", 0, ("1", "x"))),
    Stats("dltb", COUNT, bins=Bins("TBMJ", 0, ("1", "inf"))),
    Stats("dltb", COUNT, bins=Bins("TBMJ", 3, ("1", "1e999999999"))),
    Stats("dltb", COUNT, bins=Bins("TBMJ", 3, ("-1e400", "1"))),
    Stats("dltb", COUNT, bins=Bins("TBMJ", 0, ("1", "1." + "1" * 300))),
    Stats("dltb", COUNT, bins=Bins("KD", 0, ("1", "nan"))),
    Stats("dltb", COUNT, bins=Bins("GXRQ", 0, ("1", "2"))),
    Stats("dltb", (Aggregate(AggregateFunction.COUNT, "", "low"),), bins=Bins("TBMJ", 5)),
    Stats("dltb", COUNT, quantiles=Quantiles("TBMJ", (0.5,))),
    Stats("dltb", (), quantiles=Quantiles("DLBM", (0.5,))),
    Stats("dltb", (), quantiles=Quantiles("TBMJ", ())),
    Stats("dltb", (), quantiles=Quantiles("TBMJ", (1.1,))),
    Stats("dltb", (), quantiles=Quantiles("TBMJ", (0.5,) * 101)),
    Stats("dltb", (), ("DLBM",), quantiles=Quantiles("TBMJ", (0.5,))),
]


@pytest.mark.parametrize("question", WRONG)
def test_what_cannot_be_meant(question: Stats) -> None:
    assert isinstance(ask(mesh("TBMJ", [[1.0]]), question).failure, InvalidQuestion)
