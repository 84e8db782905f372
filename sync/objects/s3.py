"""Object store in a bucket of any S3-compatible server that honours conditional writes."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, TypeVar

from guotu.model.disk import store_failure
from sync.objects.cache import FileCache
from sync.objects.content import Bytes, whole
from sync.objects.keys import check_key, check_prefix, is_key
from sync.objects.s3_requests import S3Options, S3Requests, etag_of
from sync.objects.s3_trouble import Rejected
from sync.objects.upload import UNLESS_THERE, Upload, if_still

_BLOCK_BYTES = 1 << 20
Result = TypeVar("Result")


class S3ObjectStore:
    """One object of the bucket a key, named by the prefix and the key. Several processes may share a prefix.

    Every write is conditional and of one request (or of parts that become visible together), so that nobody ever
    reads half of one and exactly one of several writers wins. Etags are the server's. Every operation raises ValueError
    for what cannot be a key, and StoreFailure, within bounded time, if the server or the cache fails.
    """

    def __init__(self, options: S3Options, cache: FileCache) -> None:
        """Nothing is asked of the server yet; `sync.objects.probe.probe` does."""
        self._options = options
        self._prefix = f"{options.prefix}/" if options.prefix else ""
        self._requests = S3Requests(options)
        self._cache = cache
        # Threads of its own: a server that does not answer must not hold up whatever else waits for a thread.
        self._threads = ThreadPoolExecutor(options.connections, thread_name_prefix="s3")

    async def put_file(self, key: str, source: Path) -> None:
        """Store a file's bytes under `key`; a key that exists is left alone. Durable on return."""
        await self._run(self._put_file, self._name(key), source)

    async def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store bytes unless the key exists; tells whether it was stored. Durable on return."""
        upload = Upload(self._requests, self._name(key))
        return await self._run(upload.put, Bytes(data), UNLESS_THERE)

    async def put_if_match(self, key: str, data: bytes, etag: str | None) -> bool:
        """Replace the value whose etag is `etag` (None: no value yet); tells whether it did. Durable on return."""
        upload = Upload(self._requests, self._name(key))
        return await self._run(upload.put, Bytes(data), UNLESS_THERE if etag is None else if_still(etag))

    async def get(self, key: str) -> tuple[bytes, str] | None:
        """Return (bytes, etag); None if there is no such key."""
        name = self._name(key)
        return await self._run(self._requests.again, lambda: self._read(name))

    async def local_path(self, key: str) -> Path | None:
        """Return a path in the cache where the object can be read; None if there is no such key.

        Open it within `sync.objects.cache.SPARE_S` seconds: later it may be gone.
        """
        name = self._name(key)
        return await self._run(self._requests.again, lambda: self._local_path(name))

    async def keys(self, prefix: str) -> list[str]:
        """List keys that begin with `prefix`, sorted. What is not named as a key is left out."""
        within = self._prefix + check_prefix(prefix)
        return await self._run(self._requests.again, lambda: self._list(within))

    async def delete(self, key: str) -> None:
        """Remove a key; nothing if there is none. Durable on return."""
        await self._run(self._delete, self._name(key))

    async def _run(self, work: Callable[..., Result], *arguments: object) -> Result:
        """Work in a thread."""
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, lambda: context.run(work, *arguments))
        except OSError as error:
            raise store_failure("对象存储 object store", error) from error

    def _name(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _put_file(self, name: str, source: Path) -> None:
        content = whole(source)
        if self._requests.again(lambda: self._requests.stat(name)) is None:
            Upload(self._requests, name).put(content, UNLESS_THERE)

    def _read(self, name: str) -> tuple[bytes, str] | None:
        with self._requests.reading(name) as answer:
            return None if answer is None else (answer.read(), etag_of(answer))

    def _local_path(self, name: str) -> Path | None:
        stat = self._requests.stat(name)
        if stat is None:
            return None
        return self._cache.path(name, stat.etag, stat.size, lambda file: self._fetch(name, stat.etag, file))

    def _fetch(self, name: str, etag: str, file: BinaryIO) -> None:
        with self._requests.reading(name) as answer:
            if answer is None or etag_of(answer) != etag:
                raise Rejected(409, "changed while it was read")
            for block in answer.stream(_BLOCK_BYTES):
                file.write(block)

    def _list(self, within: str) -> list[str]:
        found = self._requests.client.list_objects(self._options.bucket, prefix=within, recursive=True)
        keys = ((item.object_name or "").removeprefix(self._prefix) for item in found)
        return sorted(filter(is_key, keys))

    def _delete(self, name: str) -> None:
        client, bucket = self._requests.client, self._options.bucket
        self._requests.again(lambda: client.remove_object(bucket, name))
        self._cache.forget(name)
