"""Packages on the node's side: versions to a file and from one, one file at a time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import structlog

from guotu.model.division import is_node_id, split_dataset
from guotu.model.errors import InvalidQuestion
from guotu.model.records import DatasetRecord, ReplicaRecord
from sync.package.export import PackageExporter
from sync.package.intake import Held, PackageImporter
from sync.package.summary import PackageSummary
from sync.replica.site import Announce

Progress = Callable[[str, int, int], None]
"""Told the stage, what is done of it and what there is to do; called from any thread."""
_FINGERPRINT = re.compile(r"[0-9a-fA-F]{64}")
_log = structlog.get_logger(__name__)


def held_as_replica(node: str, announce: Announce) -> Held:
    """Return what tells the node and the mesh of an imported version as of a whole replica."""

    async def held(record: DatasetRecord) -> None:
        announce.held(record)
        await announce.advertise(
            ReplicaRecord(record.dataset, node, record.version, record.manifest, record.digest, whole=True)
        )

    return held


class PackageDesk:
    """Takes the operator's orders."""

    def __init__(self, exporter: PackageExporter, importer: PackageImporter) -> None:
        self._exporter = exporter
        self._importer = importer
        self._one = asyncio.Lock()

    async def export(
        self, datasets: Sequence[str], since: Mapping[str, int], path: str, progress: Progress
    ) -> PackageSummary:
        """Write a package to a file of this machine that is not there yet.

        Raises:
            InvalidQuestion: a name is no dataset's, a version is told of a dataset not asked for, or the path is not
                absolute.
            GuotuError: as `PackageExporter.export`.
        """
        _check_datasets(datasets, since)
        async with self._one:
            told = await self._exporter.export(datasets, since, _absolute(path), progress)
        _log.info("package_exported", path=path, versions=told.versions, size_bytes=told.size_bytes)
        return told

    async def take(self, path: str, trust: Mapping[str, str], progress: Progress) -> PackageSummary:
        """Import a package from a file of this machine.

        Raises:
            InvalidQuestion: `trust` has what is no node or no fingerprint, or the path is not absolute.
            GuotuError: as `PackageImporter.take`.
        """
        for node, fingerprint in trust.items():
            if not is_node_id(node) or not _FINGERPRINT.fullmatch(fingerprint):
                detail = f"{node}={fingerprint}: 应为 must be NODE=SHA-256，六十四位十六进制 64 hex digits"
                raise InvalidQuestion(part="--trust", detail=detail)
        async with self._one:
            told = await self._importer.take(_absolute(path), trust, progress)
        _log.info("package_imported", path=path, versions=told.versions, taken=told.taken)
        return told


def _check_datasets(datasets: Sequence[str], since: Mapping[str, int]) -> None:
    if not datasets:
        raise InvalidQuestion(part="datasets", detail="至少一个数据集 at least one dataset is needed")
    for dataset in datasets:
        try:
            split_dataset(dataset)
        except ValueError as failure:
            raise InvalidQuestion(part="datasets", detail=str(failure)) from failure
    for dataset in sorted(since.keys() - set(datasets)):
        raise InvalidQuestion(part="--since", detail=f"{dataset} 未在导出之列 is not among the datasets to export")


def _absolute(path: str) -> Path:
    # What cannot be a path, such as one with a null character, is no absolute one either.
    if not path.startswith("/") or "\0" in path:
        raise InvalidQuestion(part="path", detail=f"{path!r}: 须为绝对路径 an absolute path is needed")
    return Path(path)
