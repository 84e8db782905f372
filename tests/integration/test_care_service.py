"""Care and comparison of versions over real gRPC: servicers, clients, stores and garbage as a node has them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from guotu.model.collection import Field, FieldType
from guotu.model.errors import InvalidQuestion, UnknownNode, UnknownVersion
from guotu.model.records import DatasetRecord, NodeRecord
from guotu.model.schema import change_schema
from guotu.v1 import care_pb2_grpc, version_pb2_grpc
from guotu.wire.care import CareClient, VerifyResult, WorkProgress
from guotu.wire.diffs import DiffClient, DiffHeader
from guotu.wire.endpoint import bind, new_server
from guotu.wire.peers import GrpcPeers
from node.care import CareDesk
from node.clock import SystemClock
from node.holdings import Holdings
from node.metrics import Metrics
from node.readiness import Readiness, State
from node.rpc.care import CareServicer
from node.rpc.gate import Gate
from node.rpc.version import VersionServicer
from sync.differences import Differences
from sync.garbage import Collector
from sync.retention import Retention
from sync.versions import Versions
from tests.support.publish_parts import Parts
from tests.support.stores import make_store
from tests.support.sync_samples import DATASET, NODE, PARCELS, TABLE, as_rows, parcels, write_spool

ROWS = parcels(400)
KEYS = sorted(ROWS["BSM"].to_pylist())


class Site:
    """One node's servers, on a socket for the operator and a port for peers."""

    def __init__(self, node: str, parts: Parts, nodes: dict[str, NodeRecord]) -> None:
        self.parts = parts
        self.holdings = Holdings(node[:6])
        readiness = Readiness(node)
        readiness.state = State.READY
        gate = Gate(node, readiness, Metrics(), 120.0)
        between, policy, clock = parts.publisher.between, Retention(2), SystemClock()
        collector = Collector(parts.objects, parts.store, clock, policy, 0.0, between)
        self.desk = CareDesk(parts.objects, parts.store, clock, collector, policy, between)
        self.peers = GrpcPeers()
        directory: Any = SimpleNamespace(view=lambda: SimpleNamespace(nodes=nodes))
        differences = Differences(parts.objects, parts.store)
        versions = VersionServicer(
            gate,
            Versions(parts.objects, parts.store),
            parts.key.public_bytes,
            directory,
            self.peers,
            self.holdings,
            differences,
        )
        self._server = new_server()
        version_pb2_grpc.add_VersionServiceServicer_to_server(versions, self._server)
        care_pb2_grpc.add_CareServiceServicer_to_server(CareServicer(gate, self.desk), self._server)
        self.address = f"127.0.0.1:{bind(self._server, '127.0.0.1:0')}"

    async def start(self, socket: Path) -> None:
        bind(self._server, f"unix:{socket}")
        await self._server.start()

    async def stop(self) -> None:
        await self.peers.close()
        await self._server.stop(0)
        await self.parts.store.close()


@dataclass
class Two:
    """The owner of a dataset, and a node that holds nothing."""

    owner: Site
    other: Site
    socket: Path


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    nodes: dict[str, NodeRecord] = {}
    sites = []
    for name in (NODE, "520000"):
        folder = tmp_path / name
        folder.mkdir()
        parts = Parts(folder, store=make_store("duckdb", folder / "duckdb"))
        await parts.start()
        site = Site(name, parts, nodes)
        nodes[name] = NodeRecord(name, name, site.address, "a" * 32)
        await site.start(folder / "admin.sock")
        sites.append(site)
    fewer = ROWS.filter(pc.invert(pc.is_in(ROWS["BSM"], pa.array(KEYS[:10]))))
    names = pc.if_else(pc.is_in(fewer["BSM"], pa.array(KEYS[10:15])), "改", fewer["DLMC"])
    changed = fewer.set_column(fewer.schema.get_field_index("DLMC"), "DLMC", names)
    for number, rows in enumerate((ROWS, fewer, changed), 1):
        await sites[0].parts.publish(write_spool(tmp_path / f"{number}.arrow", rows), f"attempt-{number}")
    yield Two(sites[0], sites[1], tmp_path / NODE / "admin.sock")
    for site in sites:
        await site.stop()


async def difference(address: str, since: int, until: int, dataset: str = DATASET) -> tuple[DiffHeader, pa.Table]:
    def ask() -> tuple[DiffHeader, pa.Table]:
        with DiffClient(address, None, 120.0) as client:
            header, *batches = client.diff(dataset, since, until)
        assert isinstance(header, DiffHeader)
        return header, pa.Table.from_batches(batches, header.schema)

    return await asyncio.to_thread(ask)


async def test_the_owner_tells_how_versions_differ(two: Two) -> None:
    header, table = await difference(two.owner.address, 1, 0)
    assert (header.since, header.until) == (1, 3)
    assert header.schema.equals(change_schema(PARCELS))
    assert table["BSM"].to_pylist() == KEYS[:15]
    assert table["op"].to_pylist() == ["delete"] * 10 + ["update"] * 5
    after = table["after"].to_pylist()
    assert after[:10] == [None] * 10
    assert {row["DLMC"] for row in after[10:]} == {"改"}
    before = {row["BSM"]: row for row in ROWS.to_pylist()}
    assert [row["TBMJ"] for row in table["before"].to_pylist()] == [before[key]["TBMJ"] for key in KEYS[:15]]
    _, table = await difference(two.owner.address, 2, 3)
    assert table["op"].to_pylist() == ["update"] * 5


async def test_whoever_does_not_hold_it_asks_the_owner(two: Two) -> None:
    header, table = await difference(two.other.address, 1, 3)
    assert (header.until, table.num_rows) == (3, 15)
    with pytest.raises(UnknownVersion):
        await difference(two.other.address, 1, 9)
    with pytest.raises(UnknownNode):
        await difference(two.other.address, 1, 2, "530000/dltb")


async def test_a_whole_replica_answers_by_itself(two: Two) -> None:
    record = DatasetRecord(DATASET, "dltb", NODE, 3, 390, None, b"", 0.0, "", "", 0)
    two.other.holdings.put_replica(record)
    with pytest.raises(UnknownVersion):  # it says that it holds the dataset, and has no version of it
        await difference(two.other.address, 1, 3)


@pytest.mark.parametrize(("since", "until"), [(0, 1), (1, 4), (4, 0), (-1, 1), (1, -1)])
async def test_what_cannot_be_compared(two: Two, since: int, until: int) -> None:
    with pytest.raises(UnknownVersion):
        await difference(two.owner.address, since, until)


async def test_other_questions_that_cannot_be_meant(two: Two) -> None:
    with pytest.raises(InvalidQuestion):
        await difference(two.owner.address, 1, 2, "../../etc")
    with pytest.raises(UnknownVersion):
        await difference(two.owner.address, 1, 2, f"{NODE}/nothing")


async def test_versions_of_two_series_cannot_be_compared(two: Two, tmp_path: Path) -> None:
    parts, dataset = two.owner.parts, f"{NODE}/qsdm"
    narrow = dataclasses.replace(TABLE, fields=TABLE.fields[:1])
    values = {"DM": [1, 2, 3], "MC": ["甲", "乙", "丙"]}
    for number, collection in ((1, TABLE), (2, narrow)):
        spool = write_spool(tmp_path / f"t{number}.arrow", as_rows(collection, values))
        await parts.publish(spool, f"table-{number}", dataset=dataset, collection=collection, new_series=number > 1)
    assert (await parts.versions.read_manifest(dataset)).manifest.series == 2
    with pytest.raises(InvalidQuestion, match="series"):
        await difference(two.owner.address, 1, 2, dataset)


async def test_versions_with_one_column_more_are_compared_in_the_newer_form(two: Two, tmp_path: Path) -> None:
    parts, dataset = two.owner.parts, f"{NODE}/qsdm"
    wide = dataclasses.replace(TABLE, fields=(*TABLE.fields, Field("BZ", "备注", FieldType.TEXT)))
    values = {"DM": [1, 2], "MC": ["甲", "乙"], "BZ": ["新", "新"]}
    for number, collection in ((1, TABLE), (2, wide)):
        spool = write_spool(tmp_path / f"t{number}.arrow", as_rows(collection, values))
        await parts.publish(spool, f"table-{number}", dataset=dataset, collection=collection)
    for since, until in ((1, 2), (2, 1)):
        header, table = await difference(two.owner.address, since, until, dataset)
        assert header.schema.equals(change_schema(wide))
        assert table["op"].to_pylist() == ["update"] * 2
        assert {row["BZ"] for row in table["after" if until == 2 else "before"].to_pylist()} == {"新"}
        assert {row["BZ"] for row in table["before" if until == 2 else "after"].to_pylist()} == {None}


async def test_verification_reports_on_its_way(two: Two) -> None:
    def ask() -> list[WorkProgress | VerifyResult]:
        with CareClient(two.socket) as client:
            return list(client.verify(DATASET, repair=False))

    *progress, result = await asyncio.to_thread(ask)
    assert isinstance(result, VerifyResult)
    assert (result.sound, result.rows, result.version) == (True, 390, 3)
    stages = [frame.stage for frame in progress if isinstance(frame, WorkProgress)]
    assert {"objects", "rows"} <= set(stages)


async def test_pins_garbage_and_what_is_refused(two: Two) -> None:
    client = CareClient(two.socket)
    assert await asyncio.to_thread(client.pin, DATASET, 1, True, "年度")
    assert not await asyncio.to_thread(client.pin, DATASET, 1, True, "again")
    with pytest.raises(UnknownVersion):
        await asyncio.to_thread(client.pin, DATASET, 8, True)
    with pytest.raises(InvalidQuestion):
        await asyncio.to_thread(client.pin, "../x", 1, True)
    with pytest.raises(InvalidQuestion):
        await asyncio.to_thread(client.pin, DATASET, 1, True, "长" * 2000)
    assert (await asyncio.to_thread(client.collect, True)).versions == ()
    assert await asyncio.to_thread(client.pin, DATASET, 1, False)
    assert (await asyncio.to_thread(client.collect, True)).versions == ((DATASET, 1),)
    done = await asyncio.to_thread(client.collect, False)
    assert (done.versions, done.tombstoned) == (((DATASET, 1),), 0)  # the versions after it are made of it
    assert [item.version for item in await two.owner.parts.store.versions()] == [2, 3]
    client.__exit__(None, None, None)
