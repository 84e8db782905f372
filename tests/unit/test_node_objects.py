"""Which object store a configuration opens, and how its credentials are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from guotu.model.errors import InvalidConfig
from node.config import ObjectsSection, read_credentials
from node.objects import open_object_store
from sync.objects.local import LocalObjectStore
from sync.objects.s3 import S3ObjectStore

GOOD = 'access_key = "AK"\nsecret_key = "very-secret"\n'


def credentials(folder: Path, text: str = GOOD, mode: int = 0o600) -> Path:
    path = folder / "s3.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


async def test_the_local_store_is_the_default(tmp_path: Path) -> None:
    store = open_object_store(ObjectsSection(), tmp_path / "objects", tmp_path / "cache")
    assert isinstance(store, LocalObjectStore)
    await store.put_if_absent("a", b"x")
    assert (tmp_path / "objects" / "a").read_bytes() == b"x"
    assert not (tmp_path / "cache").exists()


def test_s3_is_opened_without_asking_the_server(tmp_path: Path) -> None:
    section = ObjectsSection("s3", "127.0.0.1:1", "guotu", "510000", credentials(tmp_path))
    assert isinstance(open_object_store(section, tmp_path / "objects", tmp_path / "cache"), S3ObjectStore)
    assert not (tmp_path / "objects").exists()


def test_credentials_do_not_show(tmp_path: Path) -> None:
    read = read_credentials(credentials(tmp_path))
    assert (read.access_key, read.secret_key) == ("AK", "very-secret")
    assert "very-secret" not in f"{read} {read!r}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_credentials_that_others_may_touch_are_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(InvalidConfig, match="chmod 600"):
        read_credentials(credentials(tmp_path, mode=mode))


@pytest.mark.parametrize(
    "text",
    ["", "access_key = 'AK'", GOOD + "more = 1",
     "access_key = 'AK'\nsecret_key = 7", "access_key = ''\nsecret_key = 'x'",
     "secret_key = very-secret"],
)  # fmt: skip
def test_credentials_that_are_not_two_texts_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        read_credentials(credentials(tmp_path, text))
    assert "very-secret" not in str(caught.value)


def test_missing_credentials_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="cannot be read"):
        read_credentials(tmp_path / "none.toml")
