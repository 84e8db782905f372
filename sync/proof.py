"""Proof: what a store is about to hold is summed up, and must come to the digest that the publisher signed.

A store keeps with each version the sums of its rows, so that the next version is proven at the cost of its change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from guotu.model.collection import Collection
from guotu.model.errors import CorruptObject
from guotu.model.ports import FeatureStore
from guotu.model.schema import HASH
from sync.manifest import Manifest
from sync.rowhash import encode, values_of
from sync.setdigest import BUCKETS, LANES, SetDigest

OLD_BYTES = 8
"""How much of a replaced row's hash a delta tells."""
_SUM_BYTES = 16
_LANES_BYTES = 2 * LANES
_STATE_BYTES = _LANES_BYTES + 8 * BUCKETS


def state_bytes(digest: SetDigest) -> bytes:
    """Return the sums of a set of rows for a store to keep: 1,024 lanes (uint16), then 4,096 buckets (uint64), LE."""
    return digest.state + digest.buckets.astype("<u8").tobytes()


def digest_of_state(state: bytes) -> SetDigest:
    """Return the sums that `state_bytes` wrote.

    Raises:
        CorruptObject: these are not such bytes.
    """
    if len(state) != _STATE_BYTES:
        raise CorruptObject(object="state of a version", detail=f"{len(state)} bytes, not {_STATE_BYTES}")
    digest = SetDigest()
    digest.lanes = np.frombuffer(state[:_LANES_BYTES], "<u2").astype(np.uint16)
    digest.buckets = np.frombuffer(state[_LANES_BYTES:], "<u8").astype(np.uint64)
    return digest


def summed(batches: Iterable[pa.RecordBatch], key: str, digest: SetDigest) -> Iterator[pa.RecordBatch]:
    """Pass stored rows on, adding each to a digest."""
    for batch in batches:
        digest.add(batch.column(key), batch.column(HASH))
        yield batch


class Replaced:
    """Which rows a change replaces: by key, with the first 8 bytes of their hashes, none for an insert.

    A sum over the rows, so that a delta's word and a store's rows are compared in any order and without holding either.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._sum = 0

    def add(self, keys: pa.Array, old: pa.Array) -> None:
        """Put in keys, shape (n,), and hashes of 8 bytes or more, null where there is no row."""
        short = pc.binary_slice(old.cast(pa.binary()), 0, OLD_BYTES)
        for row in values_of(encode([keys, short], len(keys))):
            self._sum += int.from_bytes(blake3(row).digest(length=_SUM_BYTES), "little")
        self._sum %= 1 << 8 * _SUM_BYTES

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Replaced) and self._sum == other._sum

    __hash__ = None  # type: ignore[assignment]


async def effect_on(
    digest: SetDigest, store: FeatureStore, manifest: Manifest, collection: Collection
) -> tuple[SetDigest, Replaced]:
    """Return the sums of a version from those of the version before, by what its staged change would do."""
    after, replaced = digest.copy(), Replaced()
    async for batch in store.staged_change(manifest.dataset, manifest.version, collection):
        keys = batch.column(collection.key)
        for column, apply in (("old_hash", after.remove), ("new_hash", after.add)):
            hashes = batch.column(column)
            present = hashes.is_valid()
            apply(keys.filter(present), hashes.filter(present))
        replaced.add(keys, batch.column("old_hash"))
    return after, replaced


def check_digest(digest: SetDigest, manifest: Manifest) -> None:
    """Check sums of rows against what the publisher signed.

    Raises:
        CorruptObject: the rows are not those of the version.
    """
    if digest.hex != manifest.digest:
        name = f"{manifest.dataset}@{manifest.version}"
        raise CorruptObject(object=name, detail=f"its rows have the digest {digest.hex}, not {manifest.digest}")
