"""Export: what a package holds, and that there is never half of one."""

from __future__ import annotations

import asyncio
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from guotu.model.errors import CorruptObject, GuotuError, UnknownDataset, UnknownVersion, VersionRefused
from sync.package import export as export_module
from sync.package.index import PackageIndex, parse_index
from sync.pointer import head_key, version_key
from sync.signed import delete_manifest, signature_key
from sync.signing import verify
from tests.support.package_parts import NOTED, Author, Site, edited

FIRST = {number: f"村 {number}" for number in range(30)}
SECOND = edited(FIRST, {3: "改", 5: None, 40: "新"})
THIRD = edited(SECOND, {3: "再改"})
FOURTH = edited(THIRD, {7: None})


@pytest.fixture
async def site(tmp_path: Path) -> Site:
    return await Site(tmp_path / "sichuan", "510000").start()


@pytest.fixture
async def author(site: Site) -> Author:
    """Four versions; the third has a base beside its delta."""
    author = Author(site)
    await author.publish(FIRST)
    await author.publish(SECOND)
    await author.publish(THIRD, base=True)
    await author.publish(FOURTH)
    return author


def read(path: Path) -> tuple[PackageIndex, set[str]]:
    """Return the index and the names of the objects."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        index = parse_index(archive.read("guotu-package.json"))
        names = [item.filename for item in archive.infolist()]
        assert names == ["guotu-package.json", "guotu-package.sig", *(entry.name for entry in index.entries)]
    return index, {entry.name for entry in index.entries if entry.is_object}


def keys(author: Author, version: int, kind: str) -> set[str]:
    return {item.key for item in author.chain[version - 1].manifest.objects if item.kind == kind}


async def test_without_a_cut_the_nearest_base_begins(site: Site, author: Author, tmp_path: Path) -> None:
    target = tmp_path / "a.guotu"
    told = await site.exporter.export([author.dataset], {}, target)
    index, objects = read(target)
    (part,) = index.datasets
    assert (part.since, part.until) == (0, 4)
    assert part.manifests == (author.chain[2].name, author.chain[3].name)
    assert objects == keys(author, 3, "base") | keys(author, 4, "delta")
    assert (told.cut, told.versions, told.objects, told.size_bytes) == (
        {author.dataset: 4}, 2, 2, target.stat().st_size,
    )  # fmt: skip


async def test_after_a_cut_come_deltas_alone(site: Site, author: Author, tmp_path: Path) -> None:
    await site.exporter.export([author.dataset], {author.dataset: 1}, tmp_path / "a.guotu")
    index, objects = read(tmp_path / "a.guotu")
    (part,) = index.datasets
    assert (part.since, part.until, len(part.manifests)) == (1, 4, 3)
    assert objects == keys(author, 2, "delta") | keys(author, 3, "delta") | keys(author, 4, "delta")


async def test_a_cut_of_zero_is_all_there_ever_was(site: Site, author: Author, tmp_path: Path) -> None:
    await site.exporter.export([author.dataset], {author.dataset: 0}, tmp_path / "a.guotu")
    index, objects = read(tmp_path / "a.guotu")
    assert [len(part.manifests) for part in index.datasets] == [4]
    assert keys(author, 1, "base") < objects
    assert not keys(author, 3, "base") & objects


async def test_a_new_definition_comes_with_its_base(site: Site, author: Author, tmp_path: Path) -> None:
    await author.publish(FOURTH, collection=NOTED)
    await author.publish(edited(FOURTH, {1: "x"}))
    await site.exporter.export([author.dataset], {author.dataset: 3}, tmp_path / "a.guotu")
    index, objects = read(tmp_path / "a.guotu")
    assert objects == keys(author, 4, "delta") | keys(author, 5, "base") | keys(author, 6, "delta")
    assert sum(entry.name.startswith("definitions/") for entry in index.entries) == 2


async def test_nothing_new_is_said_too(site: Site, author: Author, tmp_path: Path) -> None:
    told = await site.exporter.export([author.dataset], {author.dataset: 4}, tmp_path / "a.guotu")
    index, objects = read(tmp_path / "a.guotu")
    assert [(part.since, part.until) for part in index.datasets] == [(4, 4)]
    assert (objects, told.versions, told.cut) == (set(), 0, {author.dataset: 4})


async def test_several_datasets_and_one_twice(site: Site, author: Author, tmp_path: Path) -> None:
    other = Author(site, replace(NOTED, id="other"))
    await other.publish(FIRST)
    await site.exporter.export([other.dataset, author.dataset, other.dataset], {author.dataset: 3}, tmp_path / "a")
    index, _ = read(tmp_path / "a")
    assert [(part.dataset, part.since, part.until) for part in index.datasets] == [
        (other.dataset, 0, 1),
        (author.dataset, 3, 4),
    ]


async def test_index_and_key_let_anyone_check(site: Site, author: Author, tmp_path: Path) -> None:
    await site.exporter.export([author.dataset], {}, tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a") as archive:
        data, signature = archive.read("guotu-package.json"), archive.read("guotu-package.sig")
        (name,) = [item for item in archive.namelist() if item.startswith("keys/")]
        assert verify(archive.read(name), data, signature)
        assert name.startswith("keys/510000/")
    assert parse_index(data).exporter == "510000"


async def test_the_same_twice_differs_only_in_its_time(site: Site, author: Author, tmp_path: Path) -> None:
    for name in ("a", "b"):
        await site.exporter.export([author.dataset], {}, tmp_path / name)
    first, second = (read(tmp_path / name)[0] for name in ("a", "b"))
    assert first.created_ms != second.created_ms
    assert (first.entries, first.datasets) == (second.entries, second.datasets)


@pytest.mark.parametrize("since", [5, -1])
async def test_a_version_to_come_is_unknown(site: Site, author: Author, tmp_path: Path, since: int) -> None:
    with pytest.raises(UnknownVersion):
        await site.exporter.export([author.dataset], {author.dataset: since}, tmp_path / "a")
    assert os.listdir(tmp_path) == ["sichuan"]


async def test_what_is_not_held_or_no_longer_retained(site: Site, author: Author, tmp_path: Path) -> None:
    with pytest.raises(UnknownDataset):
        await site.exporter.export(["520000/dltb"], {}, tmp_path / "a")
    await site.objects.delete(version_key(author.dataset, 2))
    await delete_manifest(site.objects, author.chain[1].name)
    with pytest.raises(UnknownVersion, match="version 2"):
        await site.exporter.export([author.dataset], {author.dataset: 1}, tmp_path / "a")
    await site.exporter.export([author.dataset], {author.dataset: 2}, tmp_path / "a")
    assert read(tmp_path / "a")[0].datasets[0].since == 2


async def test_a_base_that_is_not_here_is_gone_past(site: Site, author: Author, tmp_path: Path) -> None:
    """As at a node that came to version 3 by its delta."""
    (base,) = keys(author, 3, "base")
    await site.objects.delete(base)
    await site.exporter.export([author.dataset], {}, tmp_path / "a")
    index, objects = read(tmp_path / "a")
    assert len(index.datasets[0].manifests) == 4
    assert objects == keys(author, 1, "base").union(*(keys(author, version, "delta") for version in (2, 3, 4)))


async def test_a_damaged_object_gives_no_package(site: Site, author: Author, tmp_path: Path) -> None:
    (name,) = keys(author, 4, "delta")
    path = await site.objects.local_path(name)
    assert path is not None
    data = path.read_bytes()
    for damaged in (data[:-1], bytes([data[0] ^ 1]) + data[1:]):
        path.write_bytes(damaged)
        with pytest.raises(CorruptObject):
            await site.exporter.export([author.dataset], {}, tmp_path / "a")
    path.unlink()
    with pytest.raises(CorruptObject, match="missing"):
        await site.exporter.export([author.dataset], {}, tmp_path / "a")
    assert os.listdir(tmp_path) == ["sichuan"]


async def test_a_foreign_signature_is_not_passed_on(site: Site, author: Author, tmp_path: Path) -> None:
    name = signature_key(author.chain[-1].name)
    await site.objects.delete(name)
    await site.objects.put_if_absent(name, b"\1" * 64)
    with pytest.raises(VersionRefused):
        await site.exporter.export([author.dataset], {}, tmp_path / "a")


async def test_an_export_that_nobody_waits_for_ends(site: Site, author: Author, tmp_path: Path) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def progress(stage: str, done: int, total: int) -> None:
        if done:
            loop.call_soon_threadsafe(begun.set)

    work = asyncio.create_task(site.exporter.export([author.dataset], {author.dataset: 0}, tmp_path / "a", progress))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert os.listdir(tmp_path) == ["sichuan"]


async def test_progress_ends_at_all(site: Site, author: Author, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    await site.exporter.export([author.dataset], {}, tmp_path / "a", lambda *words: told.append(words))
    total = sum(entry.size_bytes for entry in read(tmp_path / "a")[0].entries)
    assert told[0] == ("export", 0, total)
    assert told[-1] == ("export", total, total)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


async def test_what_is_being_read_is_relied_on(site: Site, author: Author, tmp_path: Path) -> None:
    relied: list[frozenset[str]] = []
    exporter = site.exporter
    await exporter.export([author.dataset], {}, tmp_path / "a", lambda *words: relied.append(exporter.relied_on()))
    assert keys(author, 3, "base") | keys(author, 4, "delta") < relied[-1]
    assert site.exporter.relied_on() == frozenset()


async def test_too_long_an_index_is_refused(
    site: Site, author: Author, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "MAX_INDEX_BYTES", 100)
    with pytest.raises(GuotuError, match="too large"):
        await site.exporter.export([author.dataset], {}, tmp_path / "a")


async def test_a_head_of_another_dataset_is_damage(site: Site, author: Author, tmp_path: Path) -> None:
    head = await site.objects.get(head_key(author.dataset))
    assert head is not None
    wrong = head[0].replace(author.chain[-1].name.encode(), author.chain[0].name.encode())
    assert await site.objects.put_if_match(head_key(author.dataset), wrong, head[1])
    with pytest.raises(CorruptObject, match="not 510000/qsdm@4"):
        await site.exporter.export([author.dataset], {}, tmp_path / "a")
