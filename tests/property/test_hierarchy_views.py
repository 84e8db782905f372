"""Whatever each node believes of who stands where, no row is counted twice, and every question ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from guotu.model.answer import Outcome
from guotu.model.ports import DirectoryView
from guotu.model.records import NodeRecord
from tests.support.federation_parts import dataset, node, view
from tests.support.linked_mesh import LinkedMesh
from tests.support.scripted_mesh import PARTIAL, expected_totals, totals

NAMES = ("100000", "100000-ch", "510000", "510000-ch", "510000-ly", "510100", "510100-ch", "510104", "510104-ly")
PLACES = st.sampled_from(("", "", "", *NAMES))


@st.composite
def records(draw: st.DrawFn) -> list[NodeRecord]:
    """Draw what all nodes say of themselves, sense or nonsense."""
    return [
        node(name, through=draw(PLACES), also=tuple(filter(None, draw(st.lists(PLACES, max_size=2))))) for name in NAMES
    ]


@st.composite
def views(draw: st.DrawFn) -> DirectoryView:
    """Draw a directory: some nodes and some datasets are not seen in it."""
    seen = [record for record in draw(records()) if draw(st.integers(0, 5))]
    known = [
        replace(dataset(record.node, rows=6), also_under=record.also_under)
        for record in draw(records())
        if draw(st.integers(0, 5))
    ]
    return view(seen, known)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(views(), min_size=1, max_size=4),
    st.lists(st.integers(0, 3), min_size=len(NAMES), max_size=len(NAMES)),
    st.sets(st.sampled_from(NAMES), max_size=2),
    st.sampled_from(NAMES),
)
def test_no_row_is_counted_twice(seen: list[DirectoryView], whose: list[int], dead: set[str], asked: str) -> None:
    mesh = LinkedMesh(NAMES)
    for name, number in zip(NAMES, whose, strict=True):
        mesh.see(name, seen[number % len(seen)])
    mesh.dead = dead - {asked}
    heard = asyncio.run(mesh.ask(asked, totals(PARTIAL)))
    members = heard.trailer.completeness.members
    assert len({member.dataset for member in members}) == len(members)
    answered = [mesh.members[member.node] for member in members if member.outcome is Outcome.ANSWERED]
    assert heard.rows == (expected_totals(*answered) if answered else [])
    assert len(mesh.calls) <= len(NAMES) ** 2
