"""The probe finds object stores that ignore conditions, and cleans up after itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from guotu.model.errors import StoreFailure
from sync.objects.local import LocalObjectStore
from sync.objects.probe import probe


class IgnoresAbsent(LocalObjectStore):
    """Overwrites where it should store only what is new."""

    async def put_if_absent(self, key: str, data: bytes) -> bool:
        await self.delete(key)
        return await super().put_if_absent(key, data)


class IgnoresMatch(LocalObjectStore):
    """Overwrites whatever the etag."""

    async def put_if_match(self, key: str, data: bytes, etag: str | None) -> bool:
        await self.delete(key)
        return await super().put_if_absent(key, data)


class CreatesOnMatch(LocalObjectStore):
    """Takes an etag for a key that is not there."""

    async def put_if_match(self, key: str, data: bytes, etag: str | None) -> bool:
        absent = await self.get(key) is None
        return await super().put_if_match(key, data, None if absent else etag)


class NeverMatches(LocalObjectStore):
    """Refuses every replacement."""

    async def put_if_match(self, key: str, data: bytes, etag: str | None) -> bool:
        return False


@pytest.mark.parametrize("kind", [IgnoresAbsent, IgnoresMatch, CreatesOnMatch, NeverMatches])
async def test_a_store_that_ignores_conditions_is_refused(tmp_path: Path, kind: type[LocalObjectStore]) -> None:
    store = kind(tmp_path)
    with pytest.raises(StoreFailure, match="条件写入"):
        await probe(store)
    assert await store.keys("") == []


async def test_a_store_that_honours_them_is_taken(tmp_path: Path) -> None:
    await probe(LocalObjectStore(tmp_path))
