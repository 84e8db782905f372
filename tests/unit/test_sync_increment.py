import itertools
from pathlib import Path

import pyarrow as pa
import pytest

from guotu.model.errors import IncompatibleSchema, InvalidInput
from guotu.model.records import Change
from sync.attempt import Misfit
from sync.pointer import read_head
from tests.support.histories import Layer, publish_increment, publish_layer, rows_of, write_keys, write_stated
from tests.support.publish_parts import Parts
from tests.support.sync_samples import DATASET, write_spool

FIRST: Layer = {f"k{number:02d}": ("水田", number) for number in range(40)}


@pytest.fixture
async def parts(tmp_path: Path) -> Parts:
    made = Parts(tmp_path)
    await publish_layer(made, tmp_path, FIRST, "w-1")
    return made


async def nothing_happened(parts: Parts, before: list[str]) -> None:
    head = await read_head(parts.objects, DATASET)
    assert head is not None
    assert (head.pointer.version, await parts.objects.keys("")) == (1, before)
    assert [item.version for item in await parts.store.versions()] == [1]
    assert parts.store.staged() == []


async def test_inserts_updates_and_deletes(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.bases.MOST_DELTA_SHARE", 9)
    after = {**FIRST, "k05": ("旱地", 5), "k06": ("水田", 60), "new": ("园地", 70)}
    del after["k07"], after["k08"]
    outcome = await publish_increment(parts, tmp_path, FIRST, after, "w-2")
    assert outcome.change == outcome.manifest.change
    change = outcome.change
    assert (change.inserts, change.updates, change.deletes) == (1, 2, 2)
    assert min(change.inserted_m2, change.updated_before_m2, change.updated_after_m2, change.deleted_m2) > 1e9
    assert (outcome.manifest.rows, outcome.manifest.base, len(outcome.manifest.deltas)) == (39, False, 1)
    assert outcome.size_bytes == outcome.manifest.deltas[0].size_bytes
    assert (await parts.rows(2)).sort_by("BSM").equals(rows_of(after).sort_by("BSM"))


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
async def test_an_increment_in_portions_is_the_same(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """Three new states, two deletes: portions end inside either, and between them."""
    monkeypatch.setattr("sync.portions._ROWS", rows)
    after = {**FIRST, "k05": ("旱地", 5), "k06": ("水田", 60), "new": ("园地", 70)}
    del after["k07"], after["k08"]
    outcome = await publish_increment(parts, tmp_path, FIRST, after, "w-2")
    assert (outcome.change.inserts, outcome.change.updates, outcome.change.deletes) == (1, 2, 2)
    assert (await parts.rows(2)).sort_by("BSM").equals(rows_of(after).sort_by("BSM"))


async def test_states_that_are_there_already_are_no_change(parts: Parts, tmp_path: Path) -> None:
    before = await parts.objects.keys("")
    spool = write_spool(tmp_path / "same.arrow", rows_of(FIRST).slice(3, 4))
    outcome = await parts.publish(spool, "w-2", increment=True)
    assert (outcome.published, outcome.change) == (False, Change())
    await nothing_happened(parts, before)


async def test_every_misfit_is_told_and_nothing_is_published(parts: Parts, tmp_path: Path) -> None:
    before = await parts.objects.keys("")
    layer: Layer = {"k01": ("旱地", 1), "k02": ("旱地", 2), "x01": ("旱地", 3), "k03": ("旱地", 3), "k04": ("旱地", 4)}
    stated = write_stated(
        tmp_path / "stated",
        op=pa.array([1, 2, 2, None, None], pa.int8()),
        DLMC=pa.array([None, "水田", "水田", "园地", "水田"]),
        TBMJ=pa.array([None, 0.5, None, 99.0, None]),
    )
    deletes = write_keys(tmp_path / "deletes", ["x02", "k10", "k04", "k11"], DLMC=["a", "水田", None, "林地"])
    spool = write_spool(tmp_path / "spool", rows_of(layer))
    outcome = await parts.publish(spool, "w-2", increment=True, stated=stated, deletes=deletes)
    assert (outcome.published, outcome.change, outcome.manifest.version) == (False, None, 1)
    assert sorted(outcome.misfits, key=lambda item: (item.kind, item.key, item.field)) == [
        Misfit("before_differs", "k03", "DLMC", "园地", "水田"),
        Misfit("before_differs", "k03", "TBMJ", "99.0", "0.75"),
        Misfit("before_differs", "k11", "DLMC", "林地", "水田"),
        Misfit("changed_and_deleted", "k04"),
        Misfit("delete_of_missing", "x02"),
        Misfit("insert_of_existing", "k01"),
        Misfit("update_of_missing", "x01"),
    ]
    await nothing_happened(parts, before)


async def test_misfits_are_bounded(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.increment.MAX_MISFITS", 5)
    deletes = write_keys(tmp_path / "deletes", [f"x{number}" for number in range(20)])
    spool = write_spool(tmp_path / "spool", rows_of({}))
    outcome = await parts.publish(spool, "w-2", increment=True, deletes=deletes)
    assert len(outcome.misfits) == 5


async def test_statements_that_fit(parts: Parts, tmp_path: Path) -> None:
    layer: Layer = {"k01": ("旱地", 1), "new": ("旱地", 70)}
    stated = write_stated(
        tmp_path / "stated", op=pa.array([2, 1], pa.int8()), DLMC=pa.array(["水田", None]), TBMJ=pa.array([0.25, None])
    )
    spool = write_spool(tmp_path / "spool", rows_of(layer))
    outcome = await parts.publish(spool, "w-2", increment=True, stated=stated)
    assert (outcome.change.inserts, outcome.change.updates) == (1, 1)


async def test_an_increment_may_be_the_first_version(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    outcome = await publish_increment(parts, tmp_path, {}, FIRST, "w-1")
    assert (outcome.published, outcome.change, outcome.manifest.base) == (True, None, True)
    assert (await parts.rows(1)).num_rows == 40


async def test_a_first_increment_has_nothing_to_update_or_delete(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    stated = write_stated(tmp_path / "stated", op=pa.array([2], pa.int8()))
    spool = write_spool(tmp_path / "spool", rows_of({"k01": ("旱地", 1)}))
    deletes = write_keys(tmp_path / "deletes", ["k02"])
    outcome = await parts.publish(spool, "w-1", increment=True, stated=stated, deletes=deletes)
    assert outcome.misfits == (Misfit("update_of_missing", "k01"), Misfit("delete_of_missing", "k02"))
    assert (outcome.manifest, outcome.record, await parts.objects.keys("")) == (None, None, [])


async def test_what_is_stated_must_be_of_the_collection(parts: Parts, tmp_path: Path) -> None:
    spool = write_spool(tmp_path / "spool", rows_of({"k01": ("旱地", 1)}))
    (tmp_path / "text").write_text("no arrow")
    for number, words in enumerate(
        (
            {"stated": write_stated(tmp_path / "a", op=pa.array([2, 2], pa.int8()))},
            {"stated": write_stated(tmp_path / "b", XX=pa.array([2]))},
            {"stated": tmp_path / "text"},
            {"deletes": write_spool(tmp_path / "c", pa.table({"DLMC": ["x"]}))},
            {"deletes": write_keys(tmp_path / "d", [None])},
        ),
        start=2,
    ):
        with pytest.raises(InvalidInput):
            await parts.publish(spool, f"w-{number}", increment=True, **words)


async def test_an_increment_cannot_begin_a_series(parts: Parts, tmp_path: Path) -> None:
    spool = write_spool(tmp_path / "spool", rows_of({"k01": ("旱地", 1)}))
    with pytest.raises(IncompatibleSchema):
        await parts.publish(spool, "w-2", increment=True, new_series=True)


async def test_a_dry_run_tells_the_change_and_writes_nothing(parts: Parts, tmp_path: Path) -> None:
    before = await parts.objects.keys("")
    after = {**FIRST, "k05": ("旱地", 5)}
    del after["k07"]
    for number, publish in enumerate((publish_increment(parts, tmp_path, FIRST, after, "i", dry_run=True),
                                      publish_layer(parts, tmp_path, after, "l", dry_run=True))):  # fmt: skip
        outcome = await publish
        assert not outcome.published, number
        assert (outcome.change.updates, outcome.change.deletes, outcome.change.count) == (1, 1, 2)
        assert (outcome.manifest.version, outcome.size_bytes) == (1, 0)
    await nothing_happened(parts, before)
    assert list(parts.scratch.iterdir()) == []


@pytest.mark.parametrize("by_increment", [True, False])
async def test_a_new_base_when_deltas_have_grown(
    tmp_path: Path, by_increment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.bases.MOST_DELTA_SHARE", 3)
    parts, layer = Parts(tmp_path), dict(FIRST)
    await publish_layer(parts, tmp_path, layer, "w-1")
    bases = [True]
    for number in itertools.count(2):
        after = {**layer, "k01": (f"第{number}版", number), f"n{number:02d}": ("新", number + 100)}
        if by_increment:
            outcome = await publish_increment(parts, tmp_path, layer, after, f"w-{number}")
        else:
            outcome = await publish_layer(parts, tmp_path, after, f"w-{number}")
        layer = after
        bases.append(outcome.manifest.base)
        if outcome.manifest.base:
            break
    manifest = outcome.manifest
    assert 2 < len(bases) < 12
    assert (len(manifest.deltas), len(manifest.bases), manifest.bases[0].rows) == (1, 1, len(layer))
    since = [(await parts.versions.read_manifest(DATASET, version)).manifest for version in range(1, len(bases) + 1)]
    share = [sum(item.deltas[0].size_bytes for item in since[1:end]) / since[0].bases[0].size_bytes
             for end in (len(bases) - 1, len(bases))]  # fmt: skip
    assert share[0] <= 3 < share[1]
    for path in (tmp_path / "store").iterdir():
        path.unlink()
    again = Parts(tmp_path)
    assert (await again.start()).failed == {}
    assert [item.version for item in await again.store.versions()] == [len(bases)]
    assert (await again.rows(len(bases))).sort_by("BSM").equals(rows_of(layer).sort_by("BSM"))
    assert (await again.rows(len(bases))).equals(await parts.rows(len(bases)))


async def test_a_new_base_after_thirty_deltas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.bases.MOST_DELTA_SHARE", 1e9)
    parts, layer, bases = Parts(tmp_path), dict(FIRST), []
    await publish_layer(parts, tmp_path, layer, "w-1")
    for number in range(2, 35):
        after = {**layer, "k01": (f"第{number}版", 1)}
        bases.append((await publish_increment(parts, tmp_path, layer, after, f"w-{number}")).manifest.base)
        layer = after
    assert bases.index(True) == 30
    assert sum(bases) == 1
