"""guotu.v1.ReplicationService: manifests, definitions and objects that are here, byte for byte, by their hashes."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from guotu.model.division import split_dataset
from guotu.model.errors import InvalidQuestion, TooLarge, UnknownObject
from guotu.model.ports import ObjectStore
from guotu.v1 import replication_pb2, replication_pb2_grpc
from node.rpc.gate import Context, Gate
from sync.datafile import object_key
from sync.definitions import definition_key
from sync.signed import get_manifest, manifest_key

MAX_READ_BYTES = 64 << 20
PART_BYTES = 1 << 20
_HASH = re.compile(r"[0-9a-f]{64}")


class ReplicationServicer(replication_pb2_grpc.ReplicationServiceServicer):
    """Hands out what versions are made of."""

    def __init__(self, gate: Gate, objects: ObjectStore) -> None:
        """Take a gate of its own, so that long transfers leave questions their turns."""
        self._gate = gate
        self._objects = objects

    async def GetSignedManifest(
        self, request: replication_pb2.GetSignedManifestRequest, context: Context
    ) -> replication_pb2.GetSignedManifestResponse:
        """Return a signed manifest by its name."""

        async def work() -> replication_pb2.GetSignedManifestResponse:
            key = manifest_key(_checked("name", request.name))
            if await self._objects.get(key) is None:
                raise UnknownObject(object=key)
            signed = await get_manifest(self._objects, request.name)
            if signed.manifest.dataset != _dataset(request.dataset):
                raise UnknownObject(object=f"{key} ({request.dataset})")
            return replication_pb2.GetSignedManifestResponse(manifest_json=signed.data, signature=signed.signature)

        return await self._gate.unary(context, "GetSignedManifest", work)

    async def GetDefinition(
        self, request: replication_pb2.GetDefinitionRequest, context: Context
    ) -> replication_pb2.GetDefinitionResponse:
        """Return a collection's definition by its hash."""

        async def work() -> replication_pb2.GetDefinitionResponse:
            key = definition_key(_checked("digest", request.digest))
            found = await self._objects.get(key)
            if found is None:
                raise UnknownObject(object=key)
            return replication_pb2.GetDefinitionResponse(definition_json=found[0])

        return await self._gate.unary(context, "GetDefinition", work)

    async def ReadObject(
        self, request: replication_pb2.ReadObjectRequest, context: Context
    ) -> AsyncIterator[replication_pb2.ReadObjectResponse]:
        """Stream a range of an object's bytes."""
        async for response in self._gate.streaming(context, "ReadObject", lambda: self._read(request)):
            yield response

    async def _read(
        self, request: replication_pb2.ReadObjectRequest
    ) -> AsyncIterator[replication_pb2.ReadObjectResponse]:
        sha256 = _checked("sha256", request.sha256)
        _check_range(request.offset, request.length)
        path = await self._objects.local_path(object_key(sha256))
        descriptor = await _open(path, sha256)
        try:
            size = os.fstat(descriptor).st_size
            if request.offset > size:
                raise InvalidQuestion(part="offset", detail=f"{request.offset} 超出 lies beyond {size}")
            offset, end = request.offset, min(size, request.offset + (request.length or MAX_READ_BYTES))
            while offset < end:
                part = await asyncio.to_thread(os.pread, descriptor, min(PART_BYTES, end - offset), offset)
                if not part:
                    return
                offset += len(part)
                yield replication_pb2.ReadObjectResponse(data=part)
        finally:
            os.close(descriptor)


async def _open(path: Path | None, sha256: str) -> int:
    """Open an object; once open, it can be read to its end even if it is removed meanwhile."""
    if path is not None:
        with suppress(FileNotFoundError):
            return await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
    raise UnknownObject(object=sha256)


def _check_range(offset: int, length: int) -> None:
    if offset < 0 or length < 0:
        raise InvalidQuestion(part="offset, length", detail="不得为负 must not be negative")
    if length > MAX_READ_BYTES:
        raise TooLarge(what="range", size=length, limit=MAX_READ_BYTES)


def _checked(part: str, text: str) -> str:
    if not _HASH.fullmatch(text):
        raise InvalidQuestion(part=part, detail="应为 64 位十六进制 SHA-256 must be a SHA-256 in hex")
    return text


def _dataset(text: str) -> str:
    try:
        split_dataset(text)
    except ValueError as failure:
        raise InvalidQuestion(part="dataset", detail=str(failure)) from failure
    return text
