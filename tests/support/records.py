"""Registry records for tests."""

from __future__ import annotations

import shapely

from guotu.model.records import DatasetRecord, Extent, NodeRecord, ReplicaRecord


def node_record(node: str, instance: str = "one", started_ms: int = 1) -> NodeRecord:
    """Return a node's record."""
    return NodeRecord(
        node=node, name="测试", address="127.0.0.1:7000", instance=instance, started_ms=started_ms, public_key=b"k" * 32
    )


def dataset_record(node: str, collection: str, version: int, manifest: str = "") -> DatasetRecord:
    """Return a dataset's record with a rectangular coverage."""
    box = (104.01, 30.02, 104.35, 30.44)
    return DatasetRecord(
        dataset=f"{node}/{collection}",
        collection=collection,
        node=node,
        version=version,
        rows=1000 + version,
        extent=Extent(*box),
        coverage_wkb=shapely.to_wkb(shapely.box(*box)),
        territory_m2=1.5e9,
        manifest=manifest or f"{version:064x}",
        digest="cd" * 32,
        published_ms=1_700_000_000_000 + version,
    )


def replica_record(dataset: str, holder: str, version: int, whole: bool = True) -> ReplicaRecord:
    """Return a replica's record."""
    return ReplicaRecord(dataset, holder, version, f"{version:064x}", "cd" * 32, whole)
