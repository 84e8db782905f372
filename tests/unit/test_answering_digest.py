"""The digest of an answer depends on the question and its cut alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guotu.model.answer import Batch
from guotu.model.digest import SegmentDigest
from guotu.model.question import (
    Options,
    Query,
    Question,
)
from tests.support.scripted_mesh import (
    ANY_QUESTION,
    TOTALS,
    Make,
    Mesh,
    rows_of,
    sorted_rows,
    three,
)
from tests.support.scripted_peers import Member, parcels

pytestmark = pytest.mark.usefixtures("idle_time")


@ANY_QUESTION
@pytest.mark.parametrize("limit", [0, 40])
async def test_the_digest_does_not_depend_on_batches(make: Make, limit: int) -> None:
    question = make(Options())
    if isinstance(question, Query):
        question = replace(question, limit=limit)
    digests = set()
    for size in (1, 3, 10, 1000):
        heard = await Mesh(*[replace(member, batch_rows=size) for member in three()]).ask(question)
        digests.add(heard.trailer.digest)
    assert len(digests) == 1
    changed = three()
    changed[1].rows[0]["TBMJ"] += 0.01
    assert (await Mesh(*changed).ask(question)).trailer.digest not in digests


async def test_the_digest_is_that_of_the_rows_received() -> None:
    heard = await Mesh(*three()).ask(sorted_rows(Options()))
    digest = SegmentDigest(heard.header.schema)
    for frame in heard.frames:
        if isinstance(frame, Batch):
            digest.update(frame.rows)
    (segment,) = heard.trailer.segments
    assert (segment.digest, segment.rows) == (digest.digest(), 105)


@pytest.mark.parametrize(
    "question", [rows_of(Options()), sorted_rows(Options()), replace(rows_of(Options()), limit=20), TOTALS]
)
async def test_the_digest_does_not_depend_on_who_was_asked_in_vain(question: Question) -> None:
    """At one time a member without matching rows is pruned, at another (an older cut) it is asked."""
    full = Member("510100", parcels("510100", 35))
    empty = Member("510200", [])
    alone = await Mesh(full).ask(question)
    both = await Mesh(full, empty).ask(replace(question, options=Options(cut={"510200/dltb": 7})))
    assert len(empty.asked) == 1
    assert both.rows == alone.rows
    assert both.trailer.digest == alone.trailer.digest
