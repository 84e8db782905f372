"""Three versions of one dataset, each made of the one before it by a change."""

import pyarrow as pa

from guotu.model.ports import FeatureStore
from guotu.model.schema import stored_schema
from tests.support.features import COLLECTION, applied, parcels, removed, stored_rows
from tests.support.stores import apply, load, whole

DATASET = "510000/tb"
BASE = parcels(1000)
OTHERS = stored_rows(parcels(1400, seed=3))
"""Other rows of the same keys, and of 400 keys more."""
KEYS = OTHERS["BSM"].to_pylist()
CHANGES = pa.concat_tables([OTHERS.slice(0, 90), removed(KEYS[90:130])])
ONE = stored_rows(BASE)
TWO = applied(ONE, CHANGES)
THREE_CHANGES = pa.concat_tables([OTHERS.slice(60, 10), OTHERS.slice(100, 10), removed(KEYS[80:90])])
THREE = applied(TWO, THREE_CHANGES)


async def stored(store: FeatureStore, version: int) -> pa.Table:
    """All rows of a version as they are stored."""
    return await whole(store.stored(DATASET, version, COLLECTION), stored_schema(COLLECTION))


async def three_versions(store: FeatureStore) -> None:
    """Make versions 1, 2 and 3 readable: ONE, TWO and THREE."""
    await load(store, BASE)
    await apply(store, CHANGES, 2)
    await apply(store, THREE_CHANGES, 3)
