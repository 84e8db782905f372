"""Laws of proofs: sums survive being kept, and a change is told by what it replaces."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guotu.model.errors import CorruptObject
from sync.proof import Replaced, digest_of_state, state_bytes
from sync.rowhash import fixed_binary
from sync.setdigest import SetDigest

hashes = st.binary(min_size=32, max_size=32)
rows = st.dictionaries(st.text(max_size=9), hashes, max_size=40)
olds = st.dictionaries(st.text(max_size=9), st.none() | hashes, max_size=20)
Olds = dict[str, bytes | None]


@given(rows)
def test_sums_survive(held: dict[str, bytes]) -> None:
    digest = SetDigest()
    digest.add(pa.array(list(held), pa.string()), fixed_binary(b"".join(held.values()), 32))
    kept = digest_of_state(state_bytes(digest))
    assert kept.hex == digest.hex
    assert not len(kept.differing_buckets(digest))
    assert state_bytes(kept) == state_bytes(digest)
    assert len(state_bytes(digest)) == 2048 + 8 * 4096 < 64 << 10


@given(rows, rows)
def test_a_copy_goes_its_own_way(held: dict[str, bytes], more: dict[str, bytes]) -> None:
    digest = SetDigest()
    digest.add(pa.array(list(held), pa.string()), fixed_binary(b"".join(held.values()), 32))
    before, twin = state_bytes(digest), digest.copy()
    twin.add(pa.array(list(more), pa.string()), fixed_binary(b"".join(more.values()), 32))
    assert state_bytes(digest) == before
    assert (state_bytes(twin) == before) == (not more)


def replaced_by(held: Olds, width: int) -> Replaced:
    replaced = Replaced()
    cut = [None if value is None else value[:width] for value in held.values()]
    replaced.add(pa.array(list(held), pa.string()), pa.array(cut, pa.binary(width)))
    return replaced


@given(olds, st.randoms())
def test_the_first_bytes_are_compared_in_any_order(held: Olds, random: object) -> None:
    items = list(held.items())
    random.shuffle(items)
    assert replaced_by(held, 32) == replaced_by(dict(items), 8)


@given(olds.filter(bool), st.none() | hashes, st.data())
def test_another_row_replaced_is_seen(held: Olds, other: bytes | None, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(held)))
    same = (other and other[:8]) == (held[key] and held[key][:8])
    assert (replaced_by(held, 32) == replaced_by({**held, key: other}, 32)) == same


@pytest.mark.parametrize("state", [b"", bytes(100)])
def test_what_is_no_state_is_told(state: bytes) -> None:
    with pytest.raises(CorruptObject, match="bytes, not 34816"):
        digest_of_state(state)
