"""Import: versions from a file, taken whole and in order, or refused with a reason and nothing changed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from guotu.model.errors import CorruptObject, InvalidInput, PackageGap, UntrustedKey, VersionRefused
from sync.pointer import read_version
from sync.replica.record import KeptReplica, put_record
from sync.signing import NodeKey
from sync.trust import fingerprint, trust, trusted_keys
from tests.support.package_parts import NOTED, Author, Site, edited

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


async def test_what_was_published_arrives(author: Author, nation: Site, tmp_path: Path) -> None:
    told = await nation.importer.take(await pack(author, tmp_path / "a", 0), {})
    assert (told.cut, told.versions, told.objects, told.taken) == ({author.dataset: 4}, 4, 4, 4)
    assert told.size_bytes == (tmp_path / "a").stat().st_size
    assert await nation.rows(author.dataset) == await author.site.rows(author.dataset)
    assert [record.version for record in nation.held] == [1, 2, 3, 4]
    assert nation.held[-1].manifest == author.chain[-1].name
    assert {item.version for item in await nation.store.versions()} == {1, 2, 3, 4}
    assert nation.store.tidied == [(author.dataset, 4)]
    assert list((tmp_path / "nation/scratch").iterdir()) == []


async def test_again_is_nothing_new(author: Author, nation: Site, tmp_path: Path) -> None:
    path = await pack(author, tmp_path / "a", 0)
    await nation.importer.take(path, {})
    before = await nation.everything()
    nation.held.clear()
    assert (await nation.importer.take(path, {})).taken == 0
    assert await nation.everything() == before
    assert nation.held == []


async def test_slices_follow_each_other(author: Author, nation: Site, tmp_path: Path) -> None:
    await nation.importer.take(await pack(author, tmp_path / "a", 0), {})
    await author.publish(edited(FOURTH, {8: "x"}))
    await author.publish(edited(FOURTH, {8: "y"}), collection=NOTED)
    await author.publish(edited(FOURTH, {8: "z"}))
    told = await nation.importer.take(await pack(author, tmp_path / "b", 4), {})
    assert (told.versions, told.taken) == (3, 3)
    assert await nation.rows(author.dataset) == await author.site.rows(author.dataset)


async def test_slices_may_overlap(author: Author, nation: Site, tmp_path: Path) -> None:
    await nation.importer.take(await pack(author, tmp_path / "a", 0), {})
    await author.publish(edited(FOURTH, {8: "x"}))
    told = await nation.importer.take(await pack(author, tmp_path / "b", 2), {})
    assert (told.versions, told.taken) == (3, 1)
    told = await nation.importer.take(tmp_path / "a", {})
    assert (told.taken, await nation.head(author.dataset)) == (0, 5)


async def test_a_gap_is_named(author: Author, nation: Site, tmp_path: Path) -> None:
    before = await nation.everything()
    with pytest.raises(PackageGap) as caught:
        await nation.importer.take(await pack(author, tmp_path / "a", 2), {})
    assert caught.value.facts == {"dataset": author.dataset, "has": 0, "needs": 2}
    assert await nation.everything() == before
    with pytest.raises(PackageGap):
        await nation.importer.take(await pack(author, tmp_path / "empty", 4), {})


async def test_a_base_fills_any_gap(author: Author, nation: Site, tmp_path: Path) -> None:
    await nation.importer.take(await pack(author, tmp_path / "early", 0), {})
    for number in range(3):
        await author.publish(edited(FOURTH, {50: str(number)}), base=number == 2)
    told = await nation.importer.take(await pack(author, tmp_path / "late"), {})
    assert (told.versions, told.taken) == (1, 1)
    assert await nation.rows(author.dataset) == await author.site.rows(author.dataset)
    assert await read_version(nation.objects, author.dataset, 6) is None


async def test_an_imported_dataset_is_passed_on(author: Author, nation: Site, tmp_path: Path) -> None:
    """By a node that had the third version by its delta and lacks its base."""
    await nation.importer.take(await pack(author, tmp_path / "a", 0), {})
    await nation.exporter.export([author.dataset], {}, tmp_path / "b")
    third = await Site(tmp_path / "third", "110000").start()
    confirmed = {site.node: fingerprint(site.key.public_bytes) for site in (nation, author.site)}
    with pytest.raises(UntrustedKey) as caught:
        await third.importer.take(tmp_path / "b", {"100000": confirmed["100000"]})
    assert caught.value.facts["node"] == "510000"
    assert (await third.importer.take(tmp_path / "b", confirmed)).taken == 4
    assert await third.rows(author.dataset) == await author.site.rows(author.dataset)


async def test_a_key_must_be_confirmed_once(author: Author, tmp_path: Path) -> None:
    site = await Site(tmp_path / "nation", "100000").start()
    path, mark = await pack(author, tmp_path / "a"), fingerprint(author.site.key.public_bytes)
    before = await site.everything()
    for confirmed in ({}, {"510000": "0" * 64}, {"520000": mark}, {"510000": mark[:16]}):
        with pytest.raises(UntrustedKey) as caught:
            await site.importer.take(path, confirmed)
        assert caught.value.facts == {"node": "510000", "fingerprint": mark}
    assert await site.everything() == before
    await site.importer.take(path, {"510000": mark.upper()})
    assert await trusted_keys(site.objects, "510000") == [author.site.key.public_bytes]
    await author.publish(edited(FOURTH, {8: "x"}))
    assert (await site.importer.take(await pack(author, tmp_path / "b", 4), {})).taken == 1


async def test_a_package_by_someone_else(author: Author, nation: Site, tmp_path: Path) -> None:
    """Another key under the same id: what it signed is not the index of 510000."""
    author.site.exporter = replace(author.site.exporter, key=NodeKey.create(tmp_path / "forged.pem"))
    with pytest.raises(UntrustedKey):
        await nation.importer.take(await pack(author, tmp_path / "a"), {})


async def test_a_fork_is_refused(author: Author, nation: Site, tmp_path: Path) -> None:
    await nation.importer.take(await pack(author, tmp_path / "a", 0), {})
    fork = await Site(tmp_path / "restored", "510000").start()
    fork.key = author.site.key
    other = Author(fork)
    fork.exporter = replace(fork.exporter, key=fork.key)
    await trust(fork.objects, "510000", fork.key.public_bytes)
    for content in (FIRST, SECOND, THIRD):
        await other.publish(content)
    before = await nation.everything()
    with pytest.raises(VersionRefused, match="another version of that number") as caught:
        await nation.importer.take(await pack(other, tmp_path / "b", 0), {})
    assert caught.value.facts["version"] == 3
    await other.publish(FOURTH)
    await other.publish(edited(FOURTH, {1: "x"}))
    with pytest.raises(VersionRefused, match="it follows manifest"):
        await nation.importer.take(await pack(other, tmp_path / "c", 4), {})
    assert await nation.everything() == before


async def test_own_datasets_are_never_changed(author: Author, source: Site, tmp_path: Path) -> None:
    path = await pack(author, tmp_path / "a", 0)
    before = await source.everything()
    assert (await source.importer.take(path, {})).taken == 0
    assert await source.everything() == before
    twin = await Site(tmp_path / "twin", "510000").start()
    await trust(twin.objects, "510000", source.key.public_bytes)
    with pytest.raises(VersionRefused, match="own dataset"):
        await twin.importer.take(path, {})
    assert await twin.head(author.dataset) == 0


async def test_an_area_is_not_mixed_with_the_whole(author: Author, nation: Site, tmp_path: Path) -> None:
    await put_record(nation.objects, KeptReplica(author.dataset, "ab" * 32))
    path = await pack(author, tmp_path / "a", 0)
    with pytest.raises(VersionRefused, match="only an area"):
        await nation.importer.take(path, {})
    assert await nation.head(author.dataset) == 0
    await put_record(nation.objects, KeptReplica(author.dataset, ""))
    assert (await nation.importer.take(path, {})).taken == 4


async def test_rows_that_do_not_come_to_the_digest(author: Author, nation: Site, tmp_path: Path) -> None:
    """A publisher that signed a digest of other rows: the version before stays, and the number is free again."""
    author.contents[-1] = edited(FOURTH, {9: "lie"})
    signed = author._manifest
    author._manifest = lambda content, *rest: replace(signed(content, *rest), digest="ab" * 32)  # type: ignore[method-assign]
    with pytest.raises(CorruptObject):
        await author.publish(edited(FOURTH, {8: "x"}))
    entry = await read_version(author.site.objects, author.dataset, 5)
    assert entry is not None
    head = await author.site.objects.get(f"heads/{author.dataset}.json")
    assert head is not None
    await author.site.objects.put_if_match(f"heads/{author.dataset}.json", entry.to_bytes(), head[1])
    path = await pack(author, tmp_path / "a", 0)
    with pytest.raises(CorruptObject):
        await nation.importer.take(path, {})
    assert await nation.head(author.dataset) == 4
    assert [record.version for record in nation.held] == [1, 2, 3, 4]
    assert await read_version(nation.objects, author.dataset, 5) is None
    assert nation.store.staged() == []


async def test_files_that_are_no_packages(nation: Site, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        await nation.importer.take(tmp_path / "missing", {})
    with pytest.raises(InvalidInput, match="not a regular file"):
        await nation.importer.take(tmp_path, {})
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="not a regular file"):
        await nation.importer.take(tmp_path / "pipe", {})
    for data in (b"", b"PK\5\6" + bytes(18), b"x" * 10_000, bytes(10_000), b"\xff" * 10_000):
        (tmp_path / "other").write_bytes(data)
        with pytest.raises(CorruptObject):
            await nation.importer.take(tmp_path / "other", {})
