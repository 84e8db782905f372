"""The steps of an import: in their order, each told of, none done twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from guotu.model.errors import StoreFailure
from guotu.model.ports import ObjectStore
from sync.package.intake import IMPORT_STEPS
from sync.trust import trust
from tests.support.package_parts import Author, Site, edited

FIRST = {number: f"村 {number}" for number in range(30)}
SECOND = edited(FIRST, {3: "改", 5: None, 40: "新"})
THIRD = edited(SECOND, {3: "再改"})
FOURTH = edited(THIRD, {7: None})


@pytest.fixture
async def source(tmp_path: Path) -> Site:
    return await Site(tmp_path / "sichuan", "510000").start()


@pytest.fixture
async def author(source: Site) -> Author:
    """Four versions; the third has a base beside its delta."""
    author = Author(source)
    await author.publish(FIRST)
    await author.publish(SECOND)
    await author.publish(THIRD, base=True)
    await author.publish(FOURTH)
    return author


@pytest.fixture
async def nation(tmp_path: Path, source: Site) -> Site:
    """Another network's node, which knows the key of 510000."""
    site = await Site(tmp_path / "nation", "100000").start()
    await trust(site.objects, "510000", source.key.public_bytes)
    return site


async def pack(author: Author, path: Path, since: int | None = None) -> Path:
    await author.site.exporter.export([author.dataset], {} if since is None else {author.dataset: since}, path)
    return path


class Counting:
    """An object store that notes which files are put into it."""

    def __init__(self, store: ObjectStore, puts: list[str]) -> None:
        self._store, self._puts = store, puts

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def put_file(self, key: str, source: Path) -> None:
        self._puts.append(key)
        await self._store.put_file(key, source)


async def test_objects_that_are_here_are_not_read_again(author: Author, tmp_path: Path) -> None:
    puts: list[str] = []
    site = await Site(tmp_path / "nation", "100000", wrap=lambda store: Counting(store, puts)).start()
    await trust(site.objects, "510000", author.site.key.public_bytes)
    (delta,) = author.chain[1].manifest.deltas
    path = await author.site.objects.local_path(delta.key)
    assert path is not None
    await site.objects.put_file(delta.key, path)
    puts.clear()
    await site.importer.take(await pack(author, tmp_path / "a", 0), {})
    assert len(puts) == 3
    assert delta.key not in puts


async def test_a_store_that_fails_leaves_whole_versions(author: Author, tmp_path: Path) -> None:
    class Failing(Counting):
        async def put_file(self, key: str, source: Path) -> None:
            await super().put_file(key, source)
            if len(self._puts) == 3:
                raise StoreFailure(detail="disk full")

    site = await Site(tmp_path / "nation", "100000", wrap=lambda store: Failing(store, [])).start()
    await trust(site.objects, "510000", author.site.key.public_bytes)
    path = await pack(author, tmp_path / "a", 0)
    with pytest.raises(StoreFailure):
        await site.importer.take(path, {})
    assert (await site.head(author.dataset), [record.version for record in site.held]) == (2, [1, 2])
    assert (await site.importer.take(path, {})).taken == 2
    assert await site.rows(author.dataset) == await author.site.rows(author.dataset)


async def test_each_version_has_its_turn(author: Author, nation: Site, tmp_path: Path) -> None:
    """Others get theirs between two versions, and none while a version is half here."""
    heads: list[int] = []

    @asynccontextmanager
    async def turn() -> AsyncIterator[None]:
        heads.append(await nation.head(author.dataset))
        yield
        heads.append(await nation.head(author.dataset))

    importer = replace(nation.importer, turn=turn)
    await importer.take(await pack(author, tmp_path / "a", 0), {})
    assert heads == [0, 1, 1, 2, 2, 3, 3, 4]


async def test_progress_has_three_stages(author: Author, nation: Site, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    await nation.importer.take(await pack(author, tmp_path / "a", 0), {}, lambda *words: told.append(words))
    for stage in ("verify", "import"):
        steps = [words[1:] for words in told if words[0] == stage]
        assert steps[0][0] == 0
        assert steps[-1][0] == steps[-1][1] > 0
    assert {stage for stage, _, _ in told} == {"verify", "import", "load"}


async def test_checkpoints_are_those_that_are_told(author: Author, tmp_path: Path) -> None:
    seen: list[str] = []
    site = await Site(tmp_path / "nation", "100000", checkpoint=seen.append).start()
    await trust(site.objects, "510000", author.site.key.public_bytes)
    await site.importer.take(await pack(author, tmp_path / "a"), {})
    assert [step for step in dict.fromkeys(seen) if step in IMPORT_STEPS] == list(IMPORT_STEPS)
