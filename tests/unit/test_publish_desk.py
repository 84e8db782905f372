"""The desk that takes publishes: what it hands on, and what it does when nobody waits or something fails afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.errors import PublishConflict, RegistryUnavailable, StoreFailure, UnknownCollection
from guotu.model.records import Change, DatasetRecord
from node.holdings import Holdings
from node.ingest.kinds import FaultKind
from node.publishing import PublishDesk, PublishOrder, PublishResult
from registry.gazetteer import Gazetteer
from sync.publication import Tell, tell_nobody
from sync.publish import Attempt, Misfit, Publisher, PublishOutcome
from tests.support.eventually import eventually
from tests.support.layers import PARCELS, good_rows, wkb_of

DATASET = f"510104/{PARCELS.id}"


def record(version: int) -> DatasetRecord:
    return DatasetRecord(DATASET, PARCELS.id, "510104", version, 3, None, b"", 0.0, "ab" * 32, "cd" * 32, 0)


def rows() -> pa.RecordBatch:
    good = good_rows(3)
    return pa.record_batch({**good.columns, GEOMETRY: pa.array(wkb_of(good.shapes), pa.binary())})


class OneCollection:
    """A catalogue of the parcels alone."""

    def get(self, collection: str) -> Collection | None:
        return PARCELS if collection == PARCELS.id else None

    def all(self) -> Sequence[Collection]:
        return [PARCELS]


@dataclass
class ScriptedPublisher:
    """Ends every publish as it is told, and keeps what came."""

    outcome: PublishOutcome
    error: BaseException | None = None
    tells: bool = True
    """False for a publish that had been done before."""
    attempts: list[Attempt] = field(default_factory=list)
    tables: list[list[pa.Table | None]] = field(default_factory=list)
    """Rows, stated and deletes of each attempt."""

    async def publish(
        self, attempt: Attempt, progress: Callable[[str, int, int], None], tell: Tell = tell_nobody
    ) -> PublishOutcome:
        self.attempts.append(attempt)
        self.tables.append([read(path) for path in (attempt.spool, attempt.stated, attempt.deletes)])
        if self.error is not None:
            raise self.error
        if self.outcome.published and self.outcome.record is not None and self.tells:
            await tell(self.outcome.record)
        return self.outcome

    async def head(self, dataset: str) -> DatasetRecord | None:
        return self.outcome.record

    async def restore(self, dataset: str, tell: Tell) -> None:
        assert self.outcome.record is not None
        assert self.outcome.record.dataset == dataset
        await tell(self.outcome.record)


def read(path: Path | None) -> pa.Table | None:
    return None if path is None else pa.ipc.open_file(path).read_all()


@dataclass
class Parts:
    """A desk with what stands around it."""

    publisher: ScriptedPublisher
    scratch: Path
    advertised: list[int] = field(default_factory=list)
    retained: int = 0
    failure: Exception | None = None
    holdings: Holdings = field(default_factory=lambda: Holdings("510104"))

    def __post_init__(self) -> None:
        self.desk = PublishDesk(
            "510104",
            OneCollection(),
            Gazetteer.load(),
            cast(Publisher, self.publisher),
            self.holdings,
            self._advertise,
            self._retain,
            self.scratch,
            0.001,
        )

    async def _advertise(self, given: DatasetRecord) -> None:
        self.advertised.append(given.version)
        if self.failure is not None:
            raise self.failure

    async def _retain(self) -> None:
        self.retained += 1

    async def take(self, order: PublishOrder, *batches: pa.RecordBatch, deletes: pa.RecordBatch | None = None) -> Any:
        async with self.desk.begin(order, lambda *told: None) as session:
            for batch in batches:
                await session.take(batch)
            if deletes is not None:
                await session.take(deletes, deletes=True)
            return await session.finish()

    def publish(self, order: PublishOrder, *batches: pa.RecordBatch, **words: Any) -> PublishResult:
        return cast(PublishResult, asyncio.run(self.take(order, *batches, **words)))


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    outcome = PublishOutcome(None, record(2), True, {"commit": 1.0}, Change(1, 2, 3), 99)
    return Parts(ScriptedPublisher(outcome), tmp_path)


def order(schema: pa.Schema | None, **changes: Any) -> PublishOrder:
    plain = PublishOrder(PARCELS.id, "file", "why", False, False, False, 3, "write-id-1", (), schema)
    return replace(plain, **changes)


@pytest.mark.parametrize("tells", [True, False])
def test_a_layer_is_handed_on_and_made_known_once(parts: Parts, tells: bool) -> None:
    parts.publisher.tells = tells
    result = parts.publish(order(rows().schema, source_date="2025-12-31", new_series=True), rows())
    (attempt,) = parts.publisher.attempts
    assert (attempt.dataset, attempt.source_date, attempt.new_series, attempt.increment) == (
        DATASET, "2025-12-31", True, False,
    )  # fmt: skip
    ((table, stated, deletes),) = parts.publisher.tables
    assert table is not None
    assert (table.num_rows, stated, deletes) == (3, None, None)
    assert (result.published, result.change, result.size_bytes) == (True, Change(1, 2, 3), 99)
    assert result.seconds.keys() == {"validate", "commit"}
    assert (parts.advertised, parts.retained, parts.holdings.records()[PARCELS.id].version) == ([2], 1, 2)
    assert list(parts.scratch.iterdir()) == []


def test_an_increment_is_handed_on_with_what_it_states(parts: Parts) -> None:
    batch = rows().append_column("_op", pa.array(["新增", None, "U"]))
    gone = pa.record_batch({"BSM": ["x"], "DLBM": ["0101"]})
    asked = order(batch.schema, increment=True, deletes_schema=gone.schema)
    assert parts.publish(asked, batch, deletes=gone).published
    ((table, stated, deletes),) = parts.publisher.tables
    assert table is not None
    assert stated is not None
    assert deletes is not None
    assert (table.num_rows, stated["_op"].to_pylist(), deletes.to_pydict()) == (3, [1, None, 2], gone.to_pydict())


def test_a_dry_run_asks_for_the_change_only(parts: Parts) -> None:
    parts.publisher.outcome = PublishOutcome(None, None, False, {}, Change(1))
    result = parts.publish(order(rows().schema, dry_run=True), rows())
    assert parts.publisher.attempts[0].dry_run
    assert (result.published, result.change, parts.advertised) == (False, Change(1), [])


def test_a_layer_with_faults_is_not_handed_on(parts: Parts) -> None:
    result = parts.publish(order(rows().schema), rows(), rows())
    assert [fault.kind for fault in result.report.faults] == [FaultKind.KEY_DUPLICATE]
    assert parts.publisher.attempts == []


def test_misfits_become_faults_of_the_report(parts: Parts) -> None:
    misfits = (Misfit("before_differs", "k", "DLBM", "0101", "0102"), Misfit("delete_of_missing", "m"))
    parts.publisher.outcome = PublishOutcome(None, record(1), False, {}, None, 0, misfits)
    gone = pa.record_batch({"BSM": ["m"]})
    result = parts.publish(order(None, increment=True, deletes_schema=gone.schema), deletes=gone)
    assert {fault.kind for fault in result.report.faults} == {FaultKind.BEFORE_DIFFERS, FaultKind.DELETE_OF_MISSING}
    assert [row.present for row in result.report.misfits] == ["0102", ""]
    assert (result.published, parts.advertised, result.record) == (False, [], record(1))


def test_a_head_that_moved_before_the_publish_was_given_up_is_made_known(parts: Parts) -> None:
    parts.publisher.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        parts.publish(order(rows().schema), rows())
    assert (parts.advertised, parts.holdings.records()[PARCELS.id].version) == ([2], 2)


def test_a_head_that_did_not_move_is_not_told_again(parts: Parts) -> None:
    parts.holdings.put(record(2))
    parts.publisher.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        parts.publish(order(rows().schema), rows())
    assert parts.advertised == []


def test_what_fails_after_the_publish_does_not_undo_it(parts: Parts) -> None:
    parts.failure = RegistryUnavailable(endpoints="e", detail="d")
    result = parts.publish(order(rows().schema), rows())
    assert (result.published, parts.holdings.records()[PARCELS.id].version) == (True, 2)


def test_a_failure_is_told_and_the_next_may_come(parts: Parts) -> None:
    parts.publisher.error = StoreFailure(detail="disk full")
    with pytest.raises(StoreFailure):
        parts.publish(order(rows().schema), rows())
    parts.publisher.error = None
    assert parts.publish(order(rows().schema), rows()).published


async def test_the_head_that_a_failure_left_behind_is_made_known(parts: Parts) -> None:
    parts.publisher.error = StoreFailure(detail="no connection")
    with pytest.raises(StoreFailure):
        await parts.take(order(rows().schema), rows())
    assert parts.advertised == []
    tending = asyncio.create_task(parts.desk.unfinished.tend())
    await eventually(lambda: parts.advertised == [2])
    assert parts.holdings.records()[PARCELS.id].version == 2
    tending.cancel()


def test_one_publish_of_a_dataset_at_a_time(parts: Parts) -> None:
    async def both() -> None:
        async with parts.desk.begin(order(rows().schema), lambda *told: None):
            with pytest.raises(PublishConflict):
                parts.desk.begin(order(rows().schema, write_id="write-id-2"), lambda *told: None)

    asyncio.run(both())
    with pytest.raises(UnknownCollection):
        parts.desk.begin(order(rows().schema, collection="nope"), lambda *told: None)
