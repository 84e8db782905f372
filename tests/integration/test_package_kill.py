"""An import that is killed at any step leaves whole versions, and goes on when it is done again."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from sync.load import LOAD_STEPS
from sync.package.intake import IMPORT_STEPS
from sync.trust import trust
from tests.support.package_parts import Author, Site, edited

ROOT = Path(__file__).parents[2]
FIRST = {number: f"村 {number}" for number in range(30)}
HISTORY = (FIRST, edited(FIRST, {3: "改", 5: None}), edited(FIRST, {3: "再改", 40: "新"}))
KILLS = [(step, 1) for step in (*IMPORT_STEPS, *LOAD_STEPS)] + [
    (step, 2) for step in (*IMPORT_STEPS[1:], "version-activated")
]


class Killed(Exception):
    """Stands for a kill within one process."""


async def packed(folder: Path) -> tuple[Author, Path]:
    author = Author(await Site(folder / "sichuan", "510000").start())
    for content in HISTORY:
        await author.publish(content)
    await author.site.exporter.export([author.dataset], {author.dataset: 0}, folder / "a.guotu")
    return author, folder / "a.guotu"


async def check_whole(site: Site, author: Author) -> int:
    """Check that what is there is one of the published states; returns its number, 0 for none."""
    head = await site.head(author.dataset)
    if head:
        assert {key: row[1] for key, row in (await site.rows(author.dataset)).items()} == HISTORY[head - 1]
    readable = {item.version for item in await site.store.versions()}
    assert set(range(1, head + 1)) <= readable <= set(range(1, head + 2))
    return head


@pytest.mark.parametrize(("step", "count"), KILLS, ids=[f"{step}-{count}" for step, count in KILLS])
async def test_killed_at(tmp_path: Path, step: str, count: int) -> None:
    author, path = await packed(tmp_path)
    site = await Site(tmp_path / "nation", "100000").start()
    await trust(site.objects, "510000", author.site.key.public_bytes)
    arguments = [str(tmp_path / "nation"), step, str(count), str(path)]
    command = [sys.executable, "-m", "tests.support.package_parts", *arguments]
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
    _, said = await child.communicate()
    assert child.returncode == -signal.SIGKILL, said.decode()
    site = await Site(tmp_path / "nation", "100000").start()
    head = await check_whole(site, author)
    told = await site.importer.take(path, {})
    assert told.taken == len(HISTORY) - head
    assert await check_whole(site, author) == len(HISTORY)
    assert (await site.importer.take(path, {})).taken == 0


async def test_broken_off_at_every_checkpoint_in_turn(tmp_path: Path) -> None:
    """The same site all along: each attempt gets one checkpoint further than the one before."""
    author, path = await packed(tmp_path)
    reached, allowed, heads = 0, 0, [0]

    def stop(step: str) -> None:
        nonlocal reached
        reached += 1
        if reached > allowed:
            raise Killed(step)

    while True:
        site = await Site(tmp_path / "nation", "100000", checkpoint=stop).start()
        await trust(site.objects, "510000", author.site.key.public_bytes)
        reached = 0
        try:
            await site.importer.take(path, {})
            break
        except Killed:
            allowed += 1
        heads.append(await check_whole(site, author))
    assert heads == sorted(heads)
    assert allowed > 5
    assert await check_whole(site, author) == len(HISTORY)
