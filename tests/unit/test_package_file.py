"""The file of a package: whole under its name, or not there; what is there stays."""

from __future__ import annotations

import errno
import fcntl
import os
import zipfile
from pathlib import Path

import pytest

from guotu.model.errors import InvalidInput
from sync.package.index import PackageIndex, parse_index
from tests.support.package_parts import Author, Site

FIRST = {number: f"村 {number}" for number in range(30)}


@pytest.fixture
async def site(tmp_path: Path) -> Site:
    return await Site(tmp_path / "sichuan", "510000").start()


@pytest.fixture
async def author(site: Site) -> Author:
    author = Author(site)
    await author.publish(FIRST)
    return author


def read(path: Path) -> PackageIndex:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return parse_index(archive.read("guotu-package.json"))


async def test_what_is_there_stays(site: Site, author: Author, tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"mine")
    with pytest.raises(InvalidInput, match="already"):
        await site.exporter.export([author.dataset], {}, target)
    assert target.read_bytes() == b"mine"
    link = tmp_path / "dangling"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(InvalidInput, match="already"):
        await site.exporter.export([author.dataset], {}, link)
    with pytest.raises(InvalidInput, match="No such file"):
        await site.exporter.export([author.dataset], {}, tmp_path / "no" / "folder")


@pytest.mark.parametrize("links", [True, False], ids=["links", "no-links"])
async def test_a_name_taken_in_the_meantime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    target = tmp_path / "a"

    def take(step: str) -> None:
        if step == "package-written":
            target.write_bytes(b"theirs")

    site = await Site(tmp_path / "sichuan", "510000", checkpoint=take).start()
    author = Author(site)
    await author.publish(FIRST)
    if not links:
        monkeypatch.setattr(os, "link", _refuse_links)
    with pytest.raises(InvalidInput, match="already"):
        await site.exporter.export([author.dataset], {}, target)
    assert target.read_bytes() == b"theirs"
    assert sorted(os.listdir(tmp_path)) == ["a", "sichuan"]


async def test_what_a_killed_export_left_is_taken_over(site: Site, author: Author, tmp_path: Path) -> None:
    left = tmp_path / ".a.part"
    left.write_bytes(b"x" * 1_000_000)
    with left.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InvalidInput, match="someone else"):
            await site.exporter.export([author.dataset], {}, tmp_path / "a")
        assert left.stat().st_size == 1_000_000
    await site.exporter.export([author.dataset], {}, tmp_path / "a")
    assert read(tmp_path / "a").exporter == "510000"
    assert sorted(os.listdir(tmp_path)) == ["a", "sichuan"]


async def test_a_disk_without_hard_links(
    site: Site, author: Author, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", _refuse_links)
    await site.exporter.export([author.dataset], {}, tmp_path / "a")
    assert read(tmp_path / "a").exporter == "510000"
    assert sorted(os.listdir(tmp_path)) == ["a", "sichuan"]


async def test_a_full_disk_leaves_nothing(
    site: Site, author: Author, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InvalidInput, match="No space"):
        await site.exporter.export([author.dataset], {}, tmp_path / "a")
    assert os.listdir(tmp_path) == ["sichuan"]


def _refuse_links(source: object, target: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")
