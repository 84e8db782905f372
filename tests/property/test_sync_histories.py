"""However a version was reached, by layers or increments, published or loaded: the same rows and the same digest."""

import asyncio
import tempfile
from pathlib import Path
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from sync.publish import PublishOutcome
from tests.support.histories import Layer, publish_increment, publish_layer, rows_of
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET

states = st.tuples(st.sampled_from(["水田", "旱地", None]), st.integers(0, 80))
layers = st.dictionaries(st.integers(0, 30).map("k{:02d}".format), states, max_size=20)
History = list[tuple[Layer, bool]]
Published = list[tuple[Layer, PublishOutcome]]
steps = st.lists(st.tuples(layers, st.booleans()), min_size=1, max_size=6)


async def publish_all(parts: Parts, folder: Path, history: History) -> list[tuple[Layer, PublishOutcome]]:
    """Publish each layer, whole or as an increment; return those that made a version."""
    published: Published = []
    before: Layer = {}
    for number, (layer, by_increment) in enumerate(history):
        if by_increment:
            outcome = await publish_increment(parts, folder, before, layer, f"w-{number}")
        else:
            outcome = await publish_layer(parts, folder, layer, f"w-{number}")
        assert outcome.published == (not published or before != layer)
        if outcome.published:
            published.append((layer, outcome))
        before = layer
    return published


async def check(parts: Parts, published: Published) -> None:
    """Each version has the rows of its layer, in curve order."""
    for layer, outcome in published:
        assert outcome.manifest is not None
        assert outcome.manifest.rows == len(layer)
        rows = await parts.rows(outcome.manifest.version)
        assert rows.sort_by("BSM").equals(rows_of(layer).sort_by("BSM"))


async def live(folder: Path, history: History) -> None:
    parts = Parts(folder)
    published = await publish_all(parts, folder, history)
    await check(parts, published)
    for path in (folder / "store").iterdir():
        path.unlink()
    again = Parts(folder)
    assert (await again.start()).failed == {}
    newest = published[-1][1].manifest
    assert newest is not None
    for version in range(newest.version, 0, -1):
        if (await again.versions.read_manifest(DATASET, version)).manifest.base:
            await check(again, published[version - 1 :])
            break
    direct = Parts(folder / "direct")
    outcome = await publish_layer(direct, folder, published[-1][0], "w")
    assert outcome.manifest is not None
    assert outcome.manifest.digest == newest.digest
    assert (await direct.rows(1)).equals(await again.rows(newest.version))


@settings(max_examples=12, deadline=None)
@given(steps, st.sampled_from([0.5, 2, 1000]))
def test_a_version_is_the_same_however_it_was_reached(history: History, share: float) -> None:
    """`share` decides how often there is a base beside the delta."""
    with tempfile.TemporaryDirectory() as folder, patch("sync.bases.MOST_DELTA_SHARE", share):
        asyncio.run(live(Path(folder), history))
