"""The object store that a node's configuration names."""

from __future__ import annotations

from pathlib import Path

from guotu.model.disk import store_failure
from guotu.model.errors import InvalidConfig
from guotu.model.ports import ObjectStore
from node.config.credentials import read_credentials
from node.config.version_sections import ObjectsSection
from sync.objects.local import LocalObjectStore


def open_object_store(section: ObjectsSection, objects: Path, cache: Path) -> ObjectStore:
    """Open the store; an S3 server is not asked anything yet, which `sync.objects.probe.probe` does.

    Args:
        section: which store.
        objects: directory of a local store.
        cache: directory where objects of S3 are kept for reading.

    Raises:
        StoreFailure: a directory cannot be used.
        InvalidConfig: the credentials cannot be read, or something that S3 needs is not given.
    """
    if section.kind == "local":
        return LocalObjectStore(objects)
    return _s3(section, cache)


def _s3(section: ObjectsSection, cache: Path) -> ObjectStore:
    # A node that keeps its objects in its own directory does without this client and its memory.
    from sync.objects.cache import FileCache
    from sync.objects.s3 import S3ObjectStore
    from sync.objects.s3_requests import S3Options

    if section.credentials_file is None:
        raise InvalidConfig(source="[objects]", detail="须给出 must be given: credentials_file")
    credentials = read_credentials(section.credentials_file)
    options = S3Options(
        endpoint=section.endpoint,
        bucket=section.bucket,
        access_key=credentials.access_key,
        secret_key=credentials.secret_key,
        secure=section.secure,
        prefix=section.prefix,
    )
    try:
        return S3ObjectStore(options, FileCache(cache, section.cache_mib << 20))
    except OSError as error:
        raise store_failure("对象缓存 object cache", error) from error
