"""Replica records: which datasets are kept here as replicas, and of which area their rows are."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from guotu.model.errors import CorruptObject, StoreFailure
from guotu.model.ports import ObjectStore
from sync.canonical import canonical_json, parse_canonical

REPLICAS = "replicas/"
_SUFFIX = ".json"
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class KeptReplica:
    """That a dataset is a replica here."""

    dataset: str
    area: str
    """Fingerprint of the area of its rows; empty for everything."""


def _key(dataset: str) -> str:
    return f"{REPLICAS}{dataset}{_SUFFIX}"


async def read_record(objects: ObjectStore, dataset: str) -> KeptReplica | None:
    """Return the record; None if there is none.

    Raises:
        CorruptObject: it cannot be read.
    """
    found = await objects.get(_key(dataset))
    if found is None:
        return None
    values = parse_canonical(_key(dataset), found[0])
    if {name: type(value) for name, value in values.items()} != {"area": str, "dataset": str}:
        raise CorruptObject(object=_key(dataset), detail="not a record of a replica")
    return KeptReplica(str(values["dataset"]), str(values["area"]))


async def put_record(objects: ObjectStore, record: KeptReplica) -> None:
    """Keep a record in place of the one there is. Durable on return.

    Raises:
        StoreFailure: others kept changing it.
    """
    key, data = _key(record.dataset), canonical_json(asdict(record))
    for _ in range(_ATTEMPTS):
        present = await objects.get(key)
        if await objects.put_if_match(key, data, None if present is None else present[1]):
            return
    raise StoreFailure(detail=f"{key} keeps changing")


async def list_records(objects: ObjectStore) -> list[str]:
    """Return the datasets that have a record, sorted."""
    return sorted(key[len(REPLICAS) : -len(_SUFFIX)] for key in await objects.keys(REPLICAS))


async def delete_record(objects: ObjectStore, dataset: str) -> None:
    """Remove a record; nothing if there is none."""
    await objects.delete(_key(dataset))
