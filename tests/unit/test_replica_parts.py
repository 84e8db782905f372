"""The small parts of replication: hours, bandwidth, areas, subscriptions, quarantine."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import shapely

from guotu.model.definition import collection_to_json
from guotu.model.errors import CorruptObject, InvalidQuestion, NodeUnavailable, Unavailable
from guotu.model.records import DatasetRecord, Extent, NodeRecord
from sync.definition import definition_hash
from sync.manifest import BASE, DELTA, ObjectRef
from sync.objects.local import LocalObjectStore
from sync.prepared import stored_batches
from sync.replica.area import Area
from sync.replica.asking import Asker
from sync.replica.bandwidth import Bandwidth
from sync.replica.hours import Hours
from sync.replica.partial import sweep_partial
from sync.replica.sources import Quarantine, Sources
from sync.replica.subscription import (
    Subscription,
    choose,
    delete_subscription,
    list_subscriptions,
    put_subscription,
)
from tests.support.replica_parts import Board
from tests.support.sync_samples import PARCELS, TABLE, as_rows, parcels


class SetClock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


def _at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-01T{text}:00")


def test_hours_go_over_midnight_and_have_an_open_start_and_a_closed_end() -> None:
    hours = Hours.parse("20:00-07:00, 12:00-13:30")
    is_open = [text for text in ("19:59", "20:00", "23:59", "00:00", "06:59", "07:00", "12:00", "13:29", "13:30")
               if hours.open_at(_at(text))]  # fmt: skip
    assert is_open == ["20:00", "23:59", "00:00", "06:59", "12:00", "13:29"]
    assert Hours.parse("").open_at(_at("03:00"))


@pytest.mark.parametrize("text", ["20-07", "24:00-01:00", "07:00-07:00", "07:60-08:00", "07:00-08:00,", "nachts"])
def test_hours_that_cannot_be_meant_are_refused(text: str) -> None:
    with pytest.raises(InvalidQuestion):
        Hours.parse(text)


def test_bandwidth_makes_the_taker_wait_for_what_is_too_much() -> None:
    clock = SetClock()
    bandwidth = Bandwidth(clock, 1000)
    assert bandwidth.charge(250) == 0
    assert bandwidth.charge(500) == pytest.approx(0.5)
    clock.seconds = 1.0
    assert bandwidth.charge(250) == 0
    clock.seconds = 100.0
    assert bandwidth.charge(1250) == pytest.approx(1.0)
    assert Bandwidth(clock, 0).charge(1 << 40) == 0


def _area(*box: float, name: str = "西部") -> Area:
    return Area(shapely.to_wkb(shapely.box(*box)), name)


def test_an_area_keeps_what_touches_it_and_what_has_no_geometry() -> None:
    rows = parcels(500)
    polygon = shapely.Polygon([(103.8, 30.4), (104.2, 30.4), (104.0, 30.8), (103.9, 30.5)])
    area = Area(shapely.to_wkb(polygon), "")
    (batch,) = stored_batches(rows.combine_chunks().to_batches(), PARCELS)
    expected = shapely.intersects(polygon, shapely.from_wkb(rows["geometry"].to_numpy()))
    assert 20 < expected.sum() < 480
    np.testing.assert_array_equal(area.keep(batch), expected)
    columns = {name: rows[name].to_pylist()[:2] for name in rows.column_names}
    columns["geometry"] = [None, shapely.to_wkb(shapely.Polygon())]
    (batch,) = stored_batches(as_rows(PARCELS, columns).combine_chunks().to_batches(), PARCELS)
    assert area.keep(batch).tolist() == [True, True]
    (batch,) = stored_batches(as_rows(TABLE, {"DM": [1], "MC": ["a"]}).to_batches(), TABLE)
    assert area.keep(batch).tolist() == [True]
    assert area.keep(batch.slice(0, 0)).tolist() == []


def _object(kind: str, extent: Extent | None) -> ObjectRef:
    return ObjectRef(kind, "k", "0" * 64, 1, 1, extent, ("0" * 64,))


def test_an_area_needs_the_chunks_that_touch_it_and_every_delta() -> None:
    area = Area(shapely.to_wkb(shapely.Polygon([(0, 0), (10, 0), (0, 10)])), "")
    assert area.needs(_object(BASE, Extent(1, 1, 2, 2)))
    assert area.needs(_object(BASE, Extent(10, 0, 11, 1)))
    assert not area.needs(_object(BASE, Extent(8, 8, 9, 9)))
    assert not area.needs(_object(BASE, Extent(20, 20, 21, 21)))
    assert area.needs(_object(BASE, None))
    assert area.needs(_object(DELTA, Extent(20, 20, 21, 21)))


@pytest.mark.parametrize(
    "wkb",
    [b"", b"no", shapely.to_wkb(shapely.Point(1, 1)), shapely.to_wkb(shapely.Polygon()),
     shapely.to_wkb(shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]))],
)  # fmt: skip
def test_what_is_no_area_is_refused(wkb: bytes) -> None:
    with pytest.raises(InvalidQuestion):
        Area(wkb, "")


@pytest.mark.parametrize(
    ("subject", "owners"),
    [("", ()), ("510000/", ()), ("DLTB", ()), ("../x", ()), ("dltb", ("51",)), ("510000/dltb", ("510000",))],
)
def test_a_subscription_that_cannot_be_meant_is_refused(subject: str, owners: tuple[str, ...]) -> None:
    with pytest.raises(InvalidQuestion):
        Subscription(subject, owners)


def test_a_subscription_covers_what_others_own() -> None:
    everything, some = Subscription("dltb"), Subscription("dltb", ("510100", "510000"))
    one = Subscription("510000/dltb", area=_area(0, 0, 1, 1))
    assert everything.covers("510000/dltb", "100000")
    assert not everything.covers("100000/dltb", "100000")
    assert not everything.covers("510000/xzq", "100000")
    assert some.owners == ("510000", "510100")
    assert not some.covers("110000/dltb", "100000")
    assert one.covers("510000/dltb", "100000")
    assert not one.covers("510000/dltb", "510000")
    assert choose([everything, one], "510000/dltb", "100000") is one
    assert choose([everything, one], "110000/dltb", "100000") is everything
    assert choose([some], "110000/dltb", "100000") is None


def _record(dataset: str) -> DatasetRecord:
    node, _, collection = dataset.partition("/")
    return DatasetRecord(dataset, collection, node, 1, 0, None, b"", 0.0, "0" * 64, "", 1)


def test_the_datasets_of_a_directory_that_are_covered() -> None:
    board = Board()
    for dataset in ("510000/dltb", "110000/dltb", "100000/dltb", "510000/xzq"):
        board.head(_record(dataset))
    assert Subscription("dltb").datasets(board.view(), "100000") == ["110000/dltb", "510000/dltb"]
    assert Subscription("dltb", ("110000",)).datasets(board.view(), "100000") == ["110000/dltb"]
    assert Subscription("510000/xzq").datasets(board.view(), "100000") == ["510000/xzq"]
    assert Subscription("510000/gone").datasets(board.view(), "100000") == []


async def test_subscriptions_are_kept(tmp_path: Path) -> None:
    objects = LocalObjectStore(tmp_path)
    first = Subscription("dltb", ("510000",), _area(0, 0, 1, 1), "20:00-07:00")
    assert await put_subscription(objects, first)
    assert await put_subscription(objects, Subscription("510000/dltb"))
    assert not await put_subscription(objects, first)
    assert not await put_subscription(objects, Subscription("510000/dltb", schedule="01:00-02:00"))
    one, two = await list_subscriptions(LocalObjectStore(tmp_path))
    assert (one.subject, one.schedule, one.area) == ("510000/dltb", "01:00-02:00", None)
    assert (two.subject, two.owners, two.schedule) == ("dltb", ("510000",), "20:00-07:00")
    assert two.area is not None
    assert (two.area.name, two.area.fingerprint) == ("西部", _area(0, 0, 1, 1).fingerprint)
    await delete_subscription(objects, "dltb")
    await delete_subscription(objects, "dltb")
    assert [item.subject for item in await list_subscriptions(objects)] == ["510000/dltb"]
    await objects.put_if_absent("subscriptions/xzq.json", b'{"subject":"xzq"}')
    with pytest.raises(CorruptObject):
        await list_subscriptions(objects)


def test_sources_spare_the_owner_and_leave_out_liars_and_who_is_behind() -> None:
    clock, board = SetClock(), Board()
    quarantine = Quarantine(clock, seconds=10)
    sources = Sources(board, "100000", quarantine)
    for node in ("100000", "510000", "110000", "120000"):
        board.node(node, f"{node}:1", node.encode())
        board.replica(node, 3 if node != "120000" else 2)
    board.replica("130000", 3)
    assert [item.node for item in sources.of("510000/dltb", 3)] == ["110000", "510000"]
    assert [item.node for item in sources.of("510000/dltb", 2)] == ["110000", "120000", "510000"]
    assert quarantine.put("110000", "lies")
    assert not quarantine.put("110000", "lies again")
    assert [item.node for item in sources.of("510000/dltb", 3)] == ["510000"]
    assert quarantine.reasons() == {"110000": "lies again"}
    clock.seconds = 11
    assert [item.node for item in sources.of("510000/dltb", 3)] == ["110000", "510000"]
    assert (sources.key_of("510000"), sources.key_of("999999")) == (b"510000", None)
    assert isinstance(board.view().nodes["510000"], NodeRecord)


def test_who_is_reached_through_another_is_no_source_and_that_is_said() -> None:
    board = Board()
    for node in ("510000", "510100", "510104"):
        board.node(node, f"{node}:1", node.encode(), "510100" if node == "510104" else "")
    for asker, found in (("100000", []), ("510100", ["510104"])):
        sources = Sources(board, asker, Quarantine(SetClock()))
        assert [item.node for item in sources.of("510104/dltb", 1)] == found
    far = Sources(board, "100000", Quarantine(SetClock()))
    assert "510104 is reached only through 510100: subscribe there first" in far.nobody("510104/dltb")
    assert far.nobody("510000/dltb") == "没有持有者 nobody holds it"
    board.replica("510100", 1, "510104/dltb")
    assert [item.node for item in far.of("510104/dltb", 1)] == ["510100"]


def test_old_partial_files_are_swept(tmp_path: Path) -> None:
    assert sweep_partial(tmp_path / "none", 10, 0) == 0
    (tmp_path / "a").write_bytes(b"x")
    age = (tmp_path / "a").stat().st_mtime
    assert sweep_partial(tmp_path, 10, age + 9) == 0
    assert sweep_partial(tmp_path, 10, age + 11) == 1
    assert not list(tmp_path.iterdir())


class SlowHolder:
    """`guotu.model.ports.Holder` of definitions: some peers never say anything, some have none."""

    def __init__(self, definition: bytes, silent: set[str], empty: set[str]) -> None:
        self._definition = definition
        self._silent = silent
        self._empty = empty
        self.asked: list[str] = []
        self.given_up: list[str] = []

    async def definition(self, address: str, digest: str, timeout: float) -> bytes:
        node = address.removesuffix(":1")
        self.asked.append(node)
        if node in self._empty:
            raise NodeUnavailable(address=address, detail="refused")
        if node in self._silent:
            try:
                await asyncio.Event().wait()
            finally:
                self.given_up.append(node)
        return self._definition


@pytest.mark.usefixtures("idle_time")
async def test_a_silent_peer_is_not_waited_for_where_another_answers() -> None:
    data = collection_to_json(PARCELS)
    digest = definition_hash(PARCELS)
    board = Board()
    for node in ("110000", "120000", "510000"):
        board.node(node, f"{node}:1")
        board.replica(node, 1)
    sources = Sources(board, "100000", Quarantine(SetClock()))
    holder = SlowHolder(data, silent={"110000"}, empty={"120000"})
    assert await Asker(holder, sources).definition("510000/dltb", 1, digest) == PARCELS  # type: ignore[arg-type]
    assert holder.asked == ["110000", "120000", "510000"]
    assert holder.given_up == ["110000"]
    nobody = SlowHolder(data, silent=set(), empty={"110000", "120000", "510000"})
    with pytest.raises(Unavailable, match=r"110000: .*; 120000: .*; 510000: "):
        await Asker(nobody, sources).definition("510000/dltb", 1, digest)  # type: ignore[arg-type]
