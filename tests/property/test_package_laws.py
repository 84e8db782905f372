"""Packages, whatever the history: slices taken in order give the source; taken out of order they name the gap."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.errors import PackageGap
from sync.trust import trust
from tests.support.package_parts import Author, Site, edited

EDITS = st.dictionaries(st.integers(0, 12), st.none() | st.text(max_size=3), min_size=1, max_size=6)
HISTORIES = st.lists(st.tuples(EDITS, st.booleans()), min_size=1, max_size=6)
"""Of each version what it changes, and whether it has a base."""


async def author_of(folder: Path, history: list[tuple[dict[int, str | None], bool]]) -> Author:
    author = Author(await Site(folder / "sichuan", "510000").start())
    await author.publish({0: "a", 1: "b"})
    for edits, base in history:
        state = edited(author.contents[-1], edits)
        if state != author.contents[-1]:
            await author.publish(state, base=base)
    return author


async def receiver(folder: Path, author: Author) -> Site:
    site = await Site(folder, "100000").start()
    await trust(site.objects, "510000", author.site.key.public_bytes)
    return site


async def export(author: Author, folder: Path, since: int | None) -> Path:
    path = folder / f"since-{since}-of-{len(author.chain)}"
    await author.site.exporter.export([author.dataset], {} if since is None else {author.dataset: since}, path)
    return path


async def check_slices(folder: Path, history: list[tuple[dict[int, str | None], bool]], data: st.DataObject) -> None:
    """Export after some of the versions, each time what is new, at times more; import all in order."""
    author = Author(await Site(folder / "sichuan", "510000").start())
    nation = await receiver(folder / "nation", author)
    has, exported = 0, 0
    for edits, base in [({0: "a"}, True), *history]:
        state = edited(author.contents[-1] if author.contents else {}, edits)
        if author.contents and state == author.contents[-1]:
            continue
        await author.publish(state, base=base)
        if data.draw(st.booleans(), "export now"):
            since = data.draw(st.sampled_from([has, max(has - 1, 0), None]), "since")
            told = await nation.importer.take(await export(author, folder, since), {})
            has, exported = len(author.chain), exported + 1
            assert told.taken >= 1
            assert await nation.rows(author.dataset) == await author.site.rows(author.dataset)
    if exported:
        assert await nation.head(author.dataset) == has
        assert nation.held[-1].digest == author.chain[has - 1].manifest.digest


@settings(max_examples=12, deadline=None)
@given(HISTORIES, st.data())
def test_slices_in_order_equal_the_source(
    history: list[tuple[dict[int, str | None], bool]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(check_slices(Path(folder), history, data))


async def check_disorder(folder: Path, history: list[tuple[dict[int, str | None], bool]], data: st.DataObject) -> None:
    """Cut a history into slices, take them in some order until all are in; each goes in exactly if it may."""
    author = await author_of(folder, history)
    nation = await receiver(folder / "nation", author)
    newest = len(author.chain)
    cuts = sorted(data.draw(st.sets(st.integers(0, newest - 1), max_size=3), "cuts") | {0})
    paths = {since: await export(author, folder, since) for since in cuts}
    for since in data.draw(st.permutations(cuts), "order"):
        has = await nation.head(author.dataset)
        if has >= since:
            assert (await nation.importer.take(paths[since], {})).taken == newest - has
            continue
        before = await nation.everything()
        with pytest.raises(PackageGap) as caught:
            await nation.importer.take(paths[since], {})
        assert caught.value.facts == {"dataset": author.dataset, "has": has, "needs": since}
        assert await nation.everything() == before
    assert await nation.rows(author.dataset) == await author.site.rows(author.dataset)


@settings(max_examples=12, deadline=None)
@given(HISTORIES, st.data())
def test_out_of_order_names_the_gap(history: list[tuple[dict[int, str | None], bool]], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(check_disorder(Path(folder), history, data))
