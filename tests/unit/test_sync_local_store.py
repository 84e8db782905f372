import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from guotu.model.errors import StoreFailure
from sync.durable import make_folder, sweep, temporary
from sync.objects.local import LocalObjectStore

ROOT = Path(__file__).parents[2]


def leftovers(root: Path) -> list[Path]:
    return list((root / ".temporary").iterdir())


def start_putting(root: Path, source: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.object_store_child", f"local:{root}", "put", "a", str(source), "1"]
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
    child.stdin.write(b"go\n")
    child.stdin.flush()
    return child


async def test_killed_in_the_middle_of_a_file(tmp_path: Path) -> None:
    root, pipe = tmp_path / "objects", tmp_path / "pipe"
    os.mkfifo(pipe)
    child = start_putting(root, pipe)
    with pipe.open("wb") as content:
        # More than a pipe holds: the child has read and written a part when this returns.
        content.write(b"x" * (3 << 20))
        content.flush()
        child.send_signal(signal.SIGKILL)
        child.wait()
    child.stdin.close()
    (half,) = leftovers(root)
    assert half.stat().st_size > 0
    store = LocalObjectStore(root)
    assert leftovers(root) == []
    assert await store.get("a/0") is None
    assert await store.keys("") == []


async def test_opening_leaves_what_another_is_writing(tmp_path: Path) -> None:
    LocalObjectStore(tmp_path)
    with temporary(tmp_path / ".temporary") as file:
        file.write(b"busy")
        LocalObjectStore(tmp_path)
        assert leftovers(tmp_path) == [Path(file.name)]
    assert leftovers(tmp_path) == []


async def test_no_leftovers_of_ordinary_work(tmp_path: Path) -> None:
    store = LocalObjectStore(tmp_path / "objects")
    source = tmp_path / "source"
    source.write_bytes(b"x")
    await store.put_file("a", source)
    await store.put_if_absent("a", b"y")
    await store.put_if_match("a", b"z", (await store.get("a"))[1])
    assert leftovers(tmp_path / "objects") == []


async def test_file_system_errors_are_store_failures(tmp_path: Path) -> None:
    store = LocalObjectStore(tmp_path / "objects")
    await store.put_if_absent("a", b"")
    with pytest.raises(StoreFailure):
        await store.put_if_absent("a/b", b"")
    with pytest.raises(StoreFailure):
        await store.put_file("b", tmp_path / "missing")
    with pytest.raises(StoreFailure):
        LocalObjectStore(tmp_path / "objects" / "a")


def test_sweep_and_new_writers_do_not_meet(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    make_folder(folder)
    stop = threading.Event()

    def sweep_on() -> None:
        while not stop.is_set():
            sweep(folder)

    sweeper = threading.Thread(target=sweep_on)
    sweeper.start()
    try:
        for _ in range(500):
            with temporary(folder) as file:
                assert Path(file.name).exists()
    finally:
        stop.set()
        sweeper.join()
