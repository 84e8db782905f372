"""Laws of the set digest and of the canonical encoding under it."""

import hashlib
import zlib

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sync.rowhash import encode, fixed_binary
from sync.setdigest import SetDigest, bucket_numbers

rows = st.dictionaries(st.text(max_size=12), st.binary(min_size=32, max_size=32), max_size=150)
Rows = dict[str, bytes]


def keys_and_hashes(items: list[tuple[str, bytes]]) -> tuple[pa.Array, pa.FixedSizeBinaryArray]:
    return pa.array([key for key, _ in items], pa.string()), fixed_binary(b"".join(h for _, h in items), 32)


def digest_of(items: list[tuple[str, bytes]]) -> SetDigest:
    digest = SetDigest()
    digest.add(*keys_and_hashes(items))
    return digest


def same(one: SetDigest, other: SetDigest) -> bool:
    return one.hex == other.hex and not len(one.differing_buckets(other))


@given(rows, st.randoms())
def test_order_does_not_matter(held: Rows, random: object) -> None:
    items = list(held.items())
    shuffled = items.copy()
    random.shuffle(shuffled)
    assert same(digest_of(items), digest_of(shuffled))


@given(rows, st.integers(0, 150))
def test_batches_do_not_matter(held: Rows, cut: int) -> None:
    items = list(held.items())
    digest = digest_of(items[:cut])
    digest.add(*keys_and_hashes(items[cut:]))
    assert same(digest, digest_of(items))


@given(rows, rows)
def test_remove_undoes_add(held: Rows, passing: Rows) -> None:
    digest = digest_of(list(held.items()))
    digest.add(*keys_and_hashes(list(passing.items())))
    digest.remove(*keys_and_hashes(list(passing.items())))
    assert same(digest, digest_of(list(held.items())))


@given(rows, rows, rows)
def test_combine_is_union_commutative_and_associative(one: Rows, two: Rows, three: Rows) -> None:
    parts = [
        {f"{mark}{key}": value for key, value in part.items()}
        for mark, part in zip("abc", (one, two, three), strict=True)
    ]
    left = digest_of(list(parts[0].items()))
    left.combine(digest_of(list(parts[1].items())))
    left.combine(digest_of(list(parts[2].items())))
    inner = digest_of(list(parts[2].items()))
    inner.combine(digest_of(list(parts[1].items())))
    right = digest_of(list(parts[0].items()))
    right.combine(inner)
    union = digest_of(list((parts[0] | parts[1] | parts[2]).items()))
    assert same(left, right)
    assert same(left, union)


@given(rows.filter(bool), st.data())
def test_one_changed_row_is_seen_and_located(held: Rows, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(held)))
    other = data.draw(st.binary(min_size=32, max_size=32).filter(lambda value: value != held[key]))
    before, after = digest_of(list(held.items())), digest_of(list({**held, key: other}.items()))
    assert before.hex != after.hex
    assert before.differing_buckets(after).tolist() == bucket_numbers(pa.array([key])).tolist()


@given(rows, st.text(max_size=12), st.binary(min_size=32, max_size=32))
def test_one_more_row_is_seen_and_located(held: Rows, key: str, value: bytes) -> None:
    held.pop(key, None)
    before, after = digest_of(list(held.items())), digest_of([*held.items(), (key, value)])
    assert before.hex != after.hex
    assert before.differing_buckets(after).tolist() == bucket_numbers(pa.array([key])).tolist()


@given(st.lists(st.text(max_size=12), max_size=50))
def test_bucket_is_the_first_12_bits_of_the_key_checksum(keys: list[str]) -> None:
    encoded = encode([pa.array(keys, pa.string())], len(keys)).to_pylist()
    expected = [zlib.crc32(value) >> 20 for value in encoded]
    assert bucket_numbers(pa.array(keys, pa.string())).tolist() == expected


@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6), st.none() | st.integers(-9, 9)), max_size=40))
def test_encoding_tells_different_rows_apart(items: list[tuple[str, str, int | None]]) -> None:
    columns = [pa.array([item[place] for item in items], kind) for place, kind in
               enumerate((pa.string(), pa.string(), pa.int64()))]  # fmt: skip
    encoded = encode(columns, len(items)).to_pylist()
    assert len(set(encoded)) == len(set(items))


def test_a_digest_is_a_sum_of_expanded_rows() -> None:
    from blake3 import blake3

    items = [(f"k{number}", hashlib.sha256(bytes([number])).digest()) for number in range(200)]
    lanes = np.zeros(1024, np.uint16)
    buckets = np.zeros(4096, np.uint64)
    for key, value in items:
        encoded = b"\1" + len(key).to_bytes(4, "little") + key.encode()
        wide = blake3(encoded + value).digest(length=2048)
        lanes += np.frombuffer(wide, "<u2")
        bucket = zlib.crc32(encoded) >> 20
        buckets[bucket : bucket + 1] += np.uint64(int.from_bytes(wide[:8], "little"))
    digest = digest_of(items)
    assert digest.hex == hashlib.sha256(lanes.tobytes()).hexdigest()
    assert (digest.buckets == buckets).all()
    assert len(digest.state) == 2048
