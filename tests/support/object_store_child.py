"""A process that writes to an object store, for contract tests: `python -m tests.support.object_store_child ...`."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from guotu.model.ports import ObjectStore
from sync.objects.cache import FileCache
from sync.objects.local import LocalObjectStore
from sync.objects.s3 import S3ObjectStore
from sync.objects.s3_requests import S3Options


def open_store(address: str) -> ObjectStore:
    """Open the store that an address names: "local:PATH", or "s3:" with JSON of S3Options and `cache`, a path."""
    kind, _, rest = address.partition(":")
    match kind:
        case "local":
            return LocalObjectStore(Path(rest))
        case "s3":
            values = json.loads(rest)
            cache = Path(values.pop("cache"))
            return S3ObjectStore(S3Options(**values), FileCache(cache, 1 << 30))
    raise ValueError(address)


def s3_address(options: S3Options, cache: Path) -> str:
    """Return the address for `open_store`."""
    return f"s3:{json.dumps({**asdict(options), 'cache': str(cache)})}"


async def race_absent(store: ObjectStore, mine: str, keys: int) -> None:
    """Try to be first at each key; print those won."""
    for number in range(keys):
        if await store.put_if_absent(f"race/{number}", mine.encode()):
            print(number, flush=True)


async def count_up(store: ObjectStore, key: str, times: int) -> None:
    """Add one to a number that others add to as well, `times` times."""
    for _ in range(times):
        while True:
            found = await store.get(key)
            value, etag = (int(found[0]), found[1]) if found else (0, None)
            if await store.put_if_match(key, str(value + 1).encode(), etag):
                break


async def put_many(store: ObjectStore, prefix: str, source: Path, count: int) -> None:
    """Store a file under many keys, printing each once it is stored."""
    for number in range(count):
        await store.put_file(f"{prefix}/{number}", source)
        print(number, flush=True)


def main() -> None:
    """Wait for a line on standard input, so that rivals start together; then work."""
    address, task, *words = sys.argv[1:]
    store = open_store(address)
    print("ready", flush=True)
    sys.stdin.readline()
    match task:
        case "race":
            asyncio.run(race_absent(store, words[0], int(words[1])))
        case "count":
            asyncio.run(count_up(store, words[0], int(words[1])))
        case "put":
            asyncio.run(put_many(store, words[0], Path(words[1]), int(words[2])))


if __name__ == "__main__":
    main()
