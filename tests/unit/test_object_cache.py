"""The cache of objects: bounded, least recently used first, never half a file, readers undisturbed."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from sync.objects.cache import FileCache


class Source:
    """Bytes to fetch, and how often they were."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.fetched = 0

    def fetch(self, file: BinaryIO) -> None:
        self.fetched += 1
        file.write(self.data)


def put(cache: FileCache, key: str, source: Source, etag: str = "e") -> Path:
    return cache.path(key, etag, len(source.data), source.fetch)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_fetched_once(tmp_path: Path) -> None:
    cache, source = FileCache(tmp_path, 100), Source(b"abc")
    assert put(cache, "a", source).read_bytes() == b"abc"
    assert put(cache, "a", source).read_bytes() == b"abc"
    assert source.fetched == 1


def test_a_value_with_another_etag_is_another(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 100)
    first, second = put(cache, "a", Source(b"1"), "x"), put(cache, "a", Source(b"2"), "y")
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2")
    cache.forget("a")
    assert files(tmp_path) == []


def test_the_least_recently_used_goes(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 30, spare_s=0)
    paths = {key: put(cache, key, Source(key.encode() * 10)) for key in "abc"}
    put(cache, "a", Source(b"a" * 10))
    put(cache, "d", Source(b"d" * 10))
    assert [paths[key].exists() for key in "abc"] == [True, False, True]
    assert sum(path.stat().st_size for path in files(tmp_path)) == 30


def test_a_file_in_use_stays_readable(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 10, spare_s=0)
    with put(cache, "a", Source(b"a" * 10)).open("rb") as reader:
        put(cache, "b", Source(b"b" * 10))
        assert len(files(tmp_path)) == 1
        assert reader.read() == b"a" * 10


def test_what_was_just_handed_out_stays(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, 10, spare_s=60)
    paths = [put(cache, key, Source(key.encode() * 10)) for key in "abc"]
    assert [path.read_bytes()[:1] for path in paths] == [b"a", b"b", b"c"]


def test_order_and_bound_survive_a_restart(tmp_path: Path) -> None:
    first = FileCache(tmp_path, 100, spare_s=0)
    paths = {key: put(first, key, Source(key.encode() * 10)) for key in "abc"}
    for age, key in enumerate("bca"):
        os.utime(paths[key], ns=(0, 1_000_000_000 * (age + 1)))
    half = tmp_path / ".temporary" / ".half.tmp"
    half.write_bytes(b"x")
    again = FileCache(tmp_path, 20)
    assert not half.exists()
    assert [paths[key].exists() for key in "abc"] == [True, False, True]
    source = Source(b"a" * 10)
    put(again, "a", source)
    assert source.fetched == 0


def test_a_file_of_the_wrong_size_is_fetched_again(tmp_path: Path) -> None:
    cache, source = FileCache(tmp_path, 100), Source(b"whole")
    put(cache, "a", source).write_bytes(b"ha")
    assert put(cache, "a", source).read_bytes() == b"whole"
    assert source.fetched == 2


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no space"), KeyError("x")])
def test_a_fetch_that_fails_leaves_nothing(tmp_path: Path, error: Exception) -> None:
    cache = FileCache(tmp_path, 100)

    def fail(file: BinaryIO) -> None:
        file.write(b"ha")
        raise error

    with pytest.raises(type(error)):
        cache.path("a", "e", 5, fail)
    assert files(tmp_path) == []
    assert put(cache, "a", Source(b"whole")).read_bytes() == b"whole"


def together(work: Callable[[], object], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_many_who_want_one_fetch_it_once(tmp_path: Path) -> None:
    cache, source, seen = FileCache(tmp_path, 100), Source(b"abc"), []

    def slow(file: BinaryIO) -> None:
        time.sleep(0.05)
        source.fetch(file)

    together(lambda: seen.append(cache.path("a", "e", 3, slow).read_bytes()), 8)
    assert seen == [b"abc"] * 8
    assert source.fetched == 1
