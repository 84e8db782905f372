"""Set digest: a homomorphic hash of a dataset's rows (docs/reference/digests.md).

LtHash16 (Bellare and Micciancio 1997; Lewi and others 2019): each row is expanded to 1,024 numbers of 16 bits and all
are added, so the digest does not depend on the order, and a row is taken out by subtraction. The expansion is BLAKE3
in its extendable-output mode, a quarter of the cost of SHAKE128.
"""

from __future__ import annotations

import hashlib
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3
from numpy.typing import NDArray

from sync.rowhash import HASH_BYTES, encode, values_of

LANES = 1024
BUCKETS = 4096
_LANE = np.dtype("<u2")
_WIDTH = LANES * _LANE.itemsize
_BUCKET_SHIFT = 32 - 12
# Elements expanded at a time: 128 KiB of lanes stay in the processor's cache while they are added.
_BLOCK = 64


class SetDigest:
    """Sums over the rows of a set: lanes that prove equality, buckets that locate a difference.

    Laws: the order of rows does not matter; `remove` undoes `add`; combining the digests of two disjoint sets gives
    that of their union. Rows are told apart by key, so that no row is in a set twice.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew, with no rows."""
        self.lanes: NDArray[np.uint16] = np.zeros(LANES, np.uint16)
        """Shape (1024,), the sum of all rows' lanes modulo 2**16."""
        self.buckets: NDArray[np.uint64] = np.zeros(BUCKETS, np.uint64)
        """Shape (4096,), by key: the sum of 64 bits of each row modulo 2**64. Locates, does not prove."""

    def add(self, keys: pa.Array, row_hashes: pa.FixedSizeBinaryArray) -> None:
        """Put rows in: their keys, shape (n,), and row hashes, fixed_size_binary(32)."""
        lanes, buckets = _sums(keys, row_hashes)
        self.lanes += lanes
        self.buckets += buckets

    def remove(self, keys: pa.Array, row_hashes: pa.FixedSizeBinaryArray) -> None:
        """Take rows out that were put in with the same keys and hashes."""
        lanes, buckets = _sums(keys, row_hashes)
        self.lanes -= lanes
        self.buckets -= buckets

    def copy(self) -> SetDigest:
        """Return the same sums, to go on from."""
        twin = SetDigest()
        twin.combine(self)
        return twin

    def combine(self, other: SetDigest) -> None:
        """Put in all rows of a disjoint set."""
        self.lanes += other.lanes
        self.buckets += other.buckets

    @property
    def state(self) -> bytes:
        """The lanes, little-endian, 2,048 bytes."""
        return self.lanes.astype(_LANE).tobytes()

    @property
    def hex(self) -> str:
        """The digest: SHA-256 of the state, hex."""
        return hashlib.sha256(self.state).hexdigest()

    def differing_buckets(self, other: SetDigest) -> NDArray[np.int64]:
        """Return the numbers of the buckets in which two sets differ, ascending."""
        return np.flatnonzero(self.buckets != other.buckets)


def bucket_numbers(keys: pa.Array) -> NDArray[np.int64]:
    """Return the bucket of each key: the first 12 bits of the CRC-32 of its encoding, shape (n,)."""
    return _buckets([crc32(key) for key in values_of(encode([keys], len(keys)))])


def _buckets(checksums: list[int]) -> NDArray[np.int64]:
    return np.array(checksums, np.int64) >> _BUCKET_SHIFT


def _sums(keys: pa.Array, row_hashes: pa.FixedSizeBinaryArray) -> tuple[NDArray[np.uint16], NDArray[np.uint64]]:
    encoded = encode([keys], len(keys))
    elements = values_of(pc.binary_join_element_wise(encoded, row_hashes.cast(pa.binary()), b""))
    numbers = _buckets([crc32(element[:-HASH_BYTES]) for element in elements])
    buckets = np.zeros(BUCKETS, np.uint64)
    total = np.zeros(LANES, np.uint16)
    for start in range(0, len(elements), _BLOCK):
        wide = b"".join([blake3(element).digest(length=_WIDTH) for element in elements[start : start + _BLOCK]])
        total += np.frombuffer(wide, _LANE).reshape(-1, LANES).sum(axis=0, dtype=np.uint16)
        shorts = np.frombuffer(wide, "<u8").reshape(-1, _WIDTH // 8)[:, 0]
        np.add.at(buckets, numbers[start : start + _BLOCK], shorts)
    return total, buckets
