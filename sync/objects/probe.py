"""A check that an object store does what commits rely on: some S3 servers ignore the conditions of writes."""

from __future__ import annotations

import secrets

from guotu.model.errors import StoreFailure
from guotu.model.ports import ObjectStore

_FOLDER = "probes/"
_NO_ETAG = "0" * 32


async def probe(objects: ObjectStore) -> None:
    """Write, refuse to write, read and remove a small object of a random name.

    Raises:
        StoreFailure: the store cannot be used, or ignores conditions.
    """
    key, never = f"{_FOLDER}{secrets.token_hex(16)}", f"{_FOLDER}{secrets.token_hex(16)}"
    try:
        wrong = not await objects.put_if_absent(key, b"1")
        wrong |= await objects.put_if_absent(key, b"2")
        wrong |= await objects.put_if_match(key, b"3", _NO_ETAG)
        wrong |= await objects.put_if_match(never, b"4", _NO_ETAG)
        found = await objects.get(key)
        wrong |= found is None or found[0] != b"1" or not await objects.put_if_match(key, b"5", found[1])
    finally:
        for name in (key, never):
            await objects.delete(name)
    if wrong:
        raise StoreFailure(
            detail="对象存储不支持条件写入 the object store ignores conditional writes (If-None-Match, If-Match)"
        )
