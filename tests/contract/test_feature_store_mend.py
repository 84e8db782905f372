"""What every feature store does when rows of its newest version are put right."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from guotu.model.errors import StoreFailure, UnknownVersion
from guotu.model.ports import FeatureStore
from tests.support.features import applied, drawn, removed, sample_collection
from tests.support.stores import apply, load
from tests.support.three_versions import (
    BASE,
    CHANGES,
    KEYS,
    ONE,
    OTHERS,
    THREE,
    TWO,
    stored,
    three_versions,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATASET = "510000/tb"
COLLECTION = sample_collection()


def damaged(rows: pa.Table) -> pa.Table:
    """Rows with the right keys and hashes, and wrong areas."""
    place = rows.schema.get_field_index("TBMJ")
    return rows.set_column(place, rows.schema.field("TBMJ"), pa.array([0.5] * len(rows)))


def since(rows: pa.Table, versions: list[int | None]) -> pa.Table:
    return rows.append_column("_since", pa.array(versions, pa.int64()))


async def test_mending_puts_rows_right_from_where_they_came_to_be(features: FeatureStore) -> None:
    await load(features, damaged(BASE))
    changes = pa.concat_tables([damaged(CHANGES.slice(0, 90)), CHANGES.slice(90)])
    await apply(features, changes, 2)
    await apply(features, removed(["never there"]), 3)
    touched = pc.is_in(TWO["BSM"], CHANGES["BSM"].combine_chunks())
    right = since(TWO, pc.if_else(touched, 2, 1).to_pylist())
    await features.mend(DATASET, 3, COLLECTION, drawn(right))
    assert (await stored(features, 3)).equals(TWO)
    assert (await stored(features, 2)).equals(TWO)
    one = await stored(features, 1)
    gone = pc.is_in(one["BSM"], CHANGES["BSM"].combine_chunks())
    assert one.filter(pc.invert(gone)).equals(
        ONE.filter(pc.invert(pc.is_in(ONE["BSM"], CHANGES["BSM"].combine_chunks())))
    )
    assert one.num_rows == 1000
    assert await features.state(DATASET, 3) == b""


async def test_mending_brings_rows_back_and_takes_others_away(features: FeatureStore) -> None:
    await load(features, BASE, state=b"kept")
    await apply(features, pa.concat_tables([removed(KEYS[:20]), OTHERS.slice(1300, 20)]), 2)
    after = await stored(features, 2)
    back, away = ONE.filter(pc.is_in(ONE["BSM"], pa.array(KEYS[:20]))), removed(KEYS[1300:1320])
    await features.mend(DATASET, 2, COLLECTION, drawn(since(pa.concat_tables([back, away]), [None] * (len(back) + 20))))
    expected = applied(after, pa.concat_tables([back, away]))
    assert (await stored(features, 2)).equals(expected)
    assert (await stored(features, 1)).equals(ONE)
    assert [item.rows for item in await features.versions()] == [1000, expected.num_rows]
    await features.drop(DATASET, 2)
    assert (await stored(features, 1)).equals(ONE)
    assert await features.state(DATASET, 1) == b"kept"


async def test_only_the_newest_version_is_mended(features: FeatureStore) -> None:
    await three_versions(features)
    for version in (2, 4):
        with pytest.raises(UnknownVersion):
            await features.mend(DATASET, version, COLLECTION, drawn(since(ONE, [1] * 1000)))
    for version, rows in ((1, ONE), (2, TWO), (3, THREE)):
        assert (await stored(features, version)).equals(rows)


async def test_a_mend_that_fails_changes_nothing(features: FeatureStore) -> None:
    await load(features, BASE)
    fault, rows = KeyError("lost"), since(OTHERS.slice(0, 50), [1] * 50)

    def failing() -> Iterator[pa.RecordBatch]:
        yield from rows.to_batches()
        raise fault

    with pytest.raises(KeyError):
        await features.mend(DATASET, 1, COLLECTION, failing)
    with pytest.raises(StoreFailure, match="two rows have one BSM"):
        await features.mend(DATASET, 1, COLLECTION, drawn(rows, rows.slice(3, 1)))
    assert (await stored(features, 1)).equals(ONE)
    await features.mend(DATASET, 1, COLLECTION, drawn(rows))
    assert (await stored(features, 1)).equals(applied(ONE, OTHERS.slice(0, 50)))
