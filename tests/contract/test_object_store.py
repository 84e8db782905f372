"""What every object store does; see guotu.model.ports.ObjectStore."""

import asyncio
import hashlib
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guotu.model.ports import ObjectStore
from sync.objects.probe import probe
from tests.support.object_store_child import open_store, s3_address
from tests.support.s3_server import S3Server

ROOT = Path(__file__).parents[2]
MODULE = "tests.support.object_store_child"


@pytest.fixture(params=["local", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new, empty store is, for `open_store` in this and in other processes."""
    if request.param == "local":
        return f"local:{tmp_path / 'objects'}"
    server: S3Server = request.getfixturevalue("s3_server")
    return s3_address(server.options(f"contract/{secrets.token_hex(8)}"), tmp_path / "cache")


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One real S3 server for the suite."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def store(address: str) -> ObjectStore:
    return open_store(address)


@pytest.fixture
def rivals(address: str) -> Iterator["Rivals"]:
    group = Rivals(address)
    yield group
    group.end()


class Rivals:
    """Processes that work on one store at the same time."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.processes: list[subprocess.Popen[str]] = []

    def add(self, *words: str) -> subprocess.Popen[str]:
        """Start one; it waits for `go`."""
        command = [sys.executable, "-m", MODULE, self._address, *words]
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.processes.append(process)
        return process

    def go(self) -> None:
        for process in self.processes:
            assert process.stdout.readline() == "ready\n"
        for process in self.processes:
            process.stdin.write("go\n")

    def outputs(self) -> list[list[str]]:
        """Wait for all; return the lines that each printed."""
        lines = [process.communicate(timeout=300)[0].split() for process in self.processes]
        assert [process.returncode for process in self.processes] == [0] * len(self.processes)
        return lines

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


def file_of(tmp_path: Path, data: bytes, name: str = "source") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


async def test_a_file_comes_back(store: ObjectStore, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    await store.put_file("objects/ab/x.bin", file_of(tmp_path, data))
    found = await store.get("objects/ab/x.bin")
    path = await store.local_path("objects/ab/x.bin")
    assert found is not None
    assert found[0] == data
    assert path is not None
    assert path.read_bytes() == data


async def test_a_stored_file_does_not_follow_its_source(store: ObjectStore, tmp_path: Path) -> None:
    source = file_of(tmp_path, b"as it was")
    await store.put_file("a", source)
    with source.open("r+b") as file:
        file.write(b"changed")
    assert (await store.get("a"))[0] == b"as it was"


async def test_put_file_leaves_what_exists(store: ObjectStore, tmp_path: Path) -> None:
    await store.put_file("a", file_of(tmp_path, b"first"))
    await store.put_file("a", file_of(tmp_path, b"second"))
    assert (await store.get("a"))[0] == b"first"


async def test_nothing_there(store: ObjectStore) -> None:
    await store.put_if_absent("a/b", b"x")
    for key in ("none", "a", "a/b/c"):
        assert await store.get(key) is None
        assert await store.local_path(key) is None
    await store.delete("none")
    await store.delete("none/at/all")
    assert await store.keys("") == ["a/b"]


async def test_put_if_absent_stores_once(store: ObjectStore) -> None:
    assert await store.put_if_absent("heads/a.json", b"1")
    assert not await store.put_if_absent("heads/a.json", b"2")
    assert (await store.get("heads/a.json"))[0] == b"1"
    await store.delete("heads/a.json")
    assert await store.put_if_absent("heads/a.json", b"3")


async def test_put_if_match_follows_etags(store: ObjectStore) -> None:
    assert await store.put_if_match("h", b"1", None)
    assert not await store.put_if_match("h", b"x", None)
    _, first = await store.get("h")
    assert await store.put_if_match("h", b"2", first)
    assert not await store.put_if_match("h", b"x", first)
    value, second = await store.get("h")
    assert (value, second != first) == (b"2", True)
    assert not await store.put_if_match("never", b"x", first)
    assert await store.keys("") == ["h"]


async def test_etag_belongs_to_the_value(store: ObjectStore) -> None:
    await store.put_if_absent("a", b"same")
    await store.put_if_absent("b", b"other")
    assert (await store.get("a"))[1] == (await store.get("a"))[1]
    assert (await store.get("a"))[1] != (await store.get("b"))[1]


async def test_empty_value(store: ObjectStore, tmp_path: Path) -> None:
    await store.put_if_absent("a", b"")
    await store.put_file("b", file_of(tmp_path, b""))
    assert [(await store.get(key))[0] for key in "ab"] == [b"", b""]


async def test_keys_by_prefix_are_sorted_whole_keys(store: ObjectStore) -> None:
    every = ["heads/1/a.json", "heads/1/b.json", "heads/10/a.json", "heads/1-b/a.json", "objects/x"]
    for key in every:
        await store.put_if_absent(key, b"")
    assert await store.keys("") == sorted(every)
    assert await store.keys("heads/") == sorted(every[:4])
    assert await store.keys("heads/1") == sorted(every[:4])
    assert await store.keys("heads/1/") == every[:2]
    assert await store.keys("heads/1/a.json") == every[:1]
    assert await store.keys("none/") == []


async def test_more_keys_than_a_page_holds(store: ObjectStore) -> None:
    every = [f"many/{number:04}" for number in range(1_100)]
    for start in range(0, len(every), 50):
        await asyncio.gather(*(store.put_if_absent(key, b"x") for key in every[start : start + 50]))
    assert await store.keys("many/") == every


async def test_local_path_follows_the_value(store: ObjectStore) -> None:
    await store.put_if_absent("a", b"one")
    assert (await store.local_path("a")).read_bytes() == b"one"
    assert await store.put_if_match("a", b"other", (await store.get("a"))[1])
    assert (await store.local_path("a")).read_bytes() == b"other"
    await store.delete("a")
    assert await store.local_path("a") is None


async def test_probe_accepts_the_store_and_leaves_nothing(store: ObjectStore) -> None:
    await probe(store)
    assert await store.keys("") == []


async def test_delete_removes_one_key(store: ObjectStore) -> None:
    await store.put_if_absent("a/1", b"")
    await store.put_if_absent("a/2", b"")
    await store.delete("a/1")
    assert await store.keys("") == ["a/2"]


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".a", "a/.b", "-a", "a\\b", "a b", "ä", "a\0b",
     "a\n", "x" * 200, "a/" * 300 + "a"],
)  # fmt: skip
async def test_unsafe_keys_are_refused(store: ObjectStore, tmp_path: Path, key: str) -> None:
    source = file_of(tmp_path, b"x")
    for attempt in (
        lambda: store.put_file(key, source),
        lambda: store.put_if_absent(key, b"x"),
        lambda: store.put_if_match(key, b"x", None),
        lambda: store.get(key),
        lambda: store.local_path(key),
        lambda: store.delete(key),
    ):
        with pytest.raises(ValueError, match="not an object key"):
            await attempt()
    assert await store.keys("") == []


async def test_unsafe_prefixes_are_refused(store: ObjectStore) -> None:
    for prefix in ("/", "../", "a/../", ".", "//"):
        with pytest.raises(ValueError, match="not a prefix"):
            await store.keys(prefix)


async def test_one_of_many_tasks_wins(store: ObjectStore) -> None:
    absent = await asyncio.gather(*(store.put_if_absent("a", bytes([number])) for number in range(20)))
    _, etag = await store.get("a")
    match = await asyncio.gather(*(store.put_if_match("a", bytes([number]), etag) for number in range(20, 40)))
    assert (sum(absent), sum(match)) == (1, 1)
    assert (await store.get("a"))[0] == bytes([20 + match.index(True)])


async def test_one_of_many_processes_takes_each_key(store: ObjectStore, rivals: Rivals) -> None:
    names = ["red", "blue", "green", "black"]
    for name in names:
        rivals.add("race", name, "60")
    rivals.go()
    won = dict(zip(names, rivals.outputs(), strict=True))
    assert sorted(int(number) for numbers in won.values() for number in numbers) == list(range(60))
    for name, numbers in won.items():
        for number in numbers:
            assert (await store.get(f"race/{number}"))[0] == name.encode()


async def test_no_update_of_many_processes_is_lost(store: ObjectStore, rivals: Rivals) -> None:
    for _ in range(4):
        rivals.add("count", "heads/counter", "25")
    rivals.go()
    rivals.outputs()
    assert (await store.get("heads/counter"))[0] == b"100"


async def test_a_killed_writer_leaves_no_half_object(address: str, rivals: Rivals, tmp_path: Path) -> None:
    data = hashlib.shake_128(b"chunk").digest(4 << 20)
    source = file_of(tmp_path, data)
    for attempt in range(5):
        process = rivals.add("put", f"objects/{attempt}", str(source), "200")
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        stored = [process.stdout.readline() for _ in range(attempt + 1)]
        process.kill()
        stored += process.stdout.read().splitlines()
        process.wait()
        store = open_store(address)
        keys = await store.keys(f"objects/{attempt}/")
        assert len(stored) <= len(keys) <= len(stored) + 1
        for key in keys:
            assert (await store.get(key))[0] == data
            await store.delete(key)
