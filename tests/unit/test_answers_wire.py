"""Frames of answers cross the wire unchanged; what a peer sends broken is refused, not followed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import replace

import pyarrow as pa
import pytest
import shapely

from guotu.model.answer import (
    Batch,
    Completeness,
    Frame,
    Header,
    MemberOutcome,
    Notice,
    Outcome,
    Segment,
    Trailer,
)
from guotu.model.errors import Internal
from guotu.model.plan import Decision, ExpectedDataset, Plan, PlanStep
from guotu.model.question import CompletenessMode, Scope
from guotu.model.schema import arrow_schema
from guotu.v1 import common_pb2, query_pb2
from guotu.wire.answers import FrameReader, frame_to_proto
from guotu.wire.plans import plan_from_proto, plan_to_proto
from tests.support.federation_parts import PARCELS

SCHEMA = arrow_schema(PARCELS, ("BSM", "备注", "TBMJ", "SJNF", "GXRQ", "SFYX", "geometry"))
PLAN = Plan(
    node="100000",
    collection="dltb",
    scope=Scope.SUBTREE,
    steps=(
        PlanStep(
            node="510000",
            decision=Decision.ASK,
            reason="MAY_MATCH",
            detail="1 of 1 datasets may match",
            address="10.0.0.1:7000",
            expected=(ExpectedDataset("510000/dltb", 3, 700, 0.0, True, "MAY_MATCH"),),
        ),
        PlanStep("520000", Decision.PRUNE, "OUTSIDE_WINDOW"),
        PlanStep("530000", Decision.MISSING, "NOT_REGISTERED"),
        PlanStep("100000", Decision.LOCAL, "MAY_MATCH"),
    ),
    pushed_down=("filter DLBM = '0101'", "fields *"),
    merge="concatenate in member order",
    stale_registry=True,
    planning_ms=1.25,
)
MEMBERS = tuple(
    MemberOutcome(
        node="510100",
        dataset=f"510100/c{number}",
        outcome=outcome,
        reason="SOME_REASON",
        detail="一句话 a sentence",
        version=7,
        rows=12,
        size_bytes=3456,
        elapsed_ms=1.5,
        advertised_rows=100,
        advertised_territory_m2=2.5e9,
        replica="510000",
        truncated=True,
        via="510000",
    )
    for number, outcome in enumerate(Outcome)
)
COMPLETENESS = Completeness(CompletenessMode.ALLOW_PARTIAL, MEMBERS, True, 1_700_000_000_000)
HEADER = Header("r-1", "100000", replace(PLAN, directory_as_of_ms=0), {"510000/dltb": 3}, SCHEMA)
TRAILER = Trailer(
    COMPLETENESS, 12, 3456, b"\1" * 32, (Segment("510000/dltb", 3, 12, b"\2" * 32), Segment("", 0, 0, b"\3" * 32)), 9.75
)
NOTICE = Notice("STALE_REGISTRY", "目录已旧 the directory is old", "510000")


def rows(count: int) -> pa.RecordBatch:
    square = shapely.to_wkb(shapely.box(104, 30, 105, 31))
    columns = [
        pa.array([f"51{number:016d}" for number in range(count)]),
        pa.array([None if number % 3 else "备注" for number in range(count)], pa.string()),
        pa.array([number / 100 for number in range(count)], pa.float64()),
        pa.array([None if number % 2 else number for number in range(count)], pa.int64()),
        pa.array([number for number in range(count)], pa.int32()).cast(pa.date32()),
        pa.array([number % 2 == 0 for number in range(count)]),
        pa.array([square] * count, pa.binary()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def crossed(*frames: Frame) -> list[Frame]:
    reader = FrameReader()
    sent = [frame_to_proto(frame, query_pb2.QueryResponse).SerializeToString() for frame in frames]
    return [reader.read(query_pb2.QueryResponse.FromString(data)) for data in sent]


def same(one: Frame, other: Frame) -> bool:
    if isinstance(one, Batch) and isinstance(other, Batch):
        return one.dataset == other.dataset and one.rows.equals(other.rows)
    if isinstance(one, Header) and isinstance(other, Header) and not one.schema.equals(other.schema, True):
        return False
    return one == other


@pytest.mark.parametrize("response", [query_pb2.QueryResponse, query_pb2.AggregateResponse])
def test_all_frames_cross(response: type[query_pb2.QueryResponse]) -> None:
    batches = [Batch("510000/dltb", rows(count)) for count in (5, 0, 1)]
    sent: list[Frame] = [HEADER, NOTICE, *batches, TRAILER]
    reader = FrameReader()
    for frame in sent:
        got = reader.read(response.FromString(frame_to_proto(frame, response).SerializeToString()))
        assert same(frame, got), got


def test_slices_cross_as_what_they_show() -> None:
    _, got = crossed(HEADER, Batch("", rows(50).slice(7, 11)))
    assert isinstance(got, Batch)
    assert got.rows.equals(rows(50).slice(7, 11))


def test_a_relay_passes_the_message_on_as_it_came() -> None:
    _, got = crossed(HEADER, Batch("510000/dltb", rows(5)))
    assert isinstance(got, Batch)
    again = frame_to_proto(got, query_pb2.QueryResponse)
    assert again.batch.arrow_batch == got.encoded
    assert got.encoded


def test_the_metadata_of_the_geometry_crosses() -> None:
    (header,) = crossed(HEADER)
    assert isinstance(header, Header)
    metadata = header.schema.field("geometry").metadata
    assert metadata[b"ARROW:extension:name"] == b"geoarrow.wkb"
    assert b"4490" in metadata[b"ARROW:extension:metadata"]


def test_header_and_batches_are_an_arrow_stream() -> None:
    """As proto/guotu/v1/query.proto promises to clients in other languages."""
    header = frame_to_proto(HEADER, query_pb2.QueryResponse).header.arrow_schema
    parts = [frame_to_proto(Batch("", rows(n)), query_pb2.QueryResponse).batch.arrow_batch for n in (3, 4)]
    table = pa.ipc.open_stream(header + b"".join(parts)).read_all()
    assert table.num_rows == 7
    assert table.schema.equals(SCHEMA, check_metadata=True)


def test_what_follows_from_the_outcomes_is_on_the_wire_for_others() -> None:
    wire = frame_to_proto(TRAILER, query_pb2.QueryResponse).trailer.completeness
    assert wire.complete is False
    assert wire.rows_share == COMPLETENESS.rows_share
    assert wire.territory_share == COMPLETENESS.territory_share


def test_an_outcome_of_a_newer_node_is_not_taken_for_an_answer() -> None:
    wire = frame_to_proto(TRAILER, query_pb2.QueryResponse)
    for number in (common_pb2.OUTCOME_UNSPECIFIED, 99):
        wire.trailer.completeness.members[0].outcome = number  # type: ignore[assignment]
        got = FrameReader().read(wire)
        assert isinstance(got, Trailer)
        assert got.completeness.members[0].outcome is Outcome.FAILED
        assert not got.completeness.complete


def test_plans_within_plans_cross() -> None:
    first = replace(PLAN.steps[0], plan=replace(PLAN, node="510000"), detour=("510100", "510200"))
    whole = replace(PLAN, steps=(first, *PLAN.steps[1:]))
    assert plan_from_proto(plan_to_proto(whole)) == whole


def test_of_what_is_expected_pins_and_the_total_of_rows_cross() -> None:
    datasets = [("510100/dltb", 5, True), ("510000/dltb", 6, True), ("510104/dltb", 7, False)]
    expected = tuple(ExpectedDataset(name, version, 10, 1.0, keep, "X") for name, version, keep in datasets)
    step = replace(PLAN.steps[0], expected=expected)
    (got,) = plan_from_proto(plan_to_proto(replace(PLAN, steps=(step,)))).steps
    assert got.cut == step.cut == {"510100/dltb": 5, "510000/dltb": 6}
    assert got.advertised_rows == step.advertised_rows == 20


def test_a_decision_of_a_newer_node_does_not_cost_its_answer() -> None:
    wire = plan_to_proto(PLAN)
    wire.steps[1].decision = 99  # type: ignore[assignment]
    assert plan_from_proto(wire).steps[1].reason == "OUTSIDE_WINDOW"


# ------------------------------------------------------------------------------------------------ broken frames


def batch_message(data: bytes, count: int) -> query_pb2.QueryResponse:
    return query_pb2.QueryResponse(batch=query_pb2.AnswerBatch(dataset="d", arrow_batch=data, rows=count))


def opened() -> FrameReader:
    reader = FrameReader()
    reader.read(frame_to_proto(HEADER, query_pb2.QueryResponse))
    return reader


GOOD = rows(40).serialize().to_pybytes()
BROKEN = {
    "nothing": b"",
    "noise": b"\xff" * 200,
    "cut short": GOOD[: len(GOOD) // 2],
    "no body": GOOD[:600],
    "a schema": SCHEMA.serialize().to_pybytes(),
    "another schema": pa.record_batch({"x": [1, 2]}).serialize().to_pybytes(),
    "fewer columns": rows(40).select(["BSM", "TBMJ"]).serialize().to_pybytes(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_batch_is_refused(name: str) -> None:
    reader = opened()
    with pytest.raises(Internal):
        reader.read(batch_message(BROKEN[name], 40))


def test_a_batch_with_another_number_of_rows_is_refused() -> None:
    reader = opened()
    assert isinstance(reader.read(batch_message(GOOD, 40)), Batch)
    with pytest.raises(Internal, match="40 rows and said 41"):
        reader.read(batch_message(GOOD, 41))


def test_offsets_that_point_outside_are_refused() -> None:
    """Read without looking, they would be followed into memory of something else."""
    (offsets,) = [GOOD.find(pa.array([0, 18, 36, 54], pa.int32()).buffers()[1].to_pybytes()[:16])]
    assert offsets > 0
    evil = GOOD[:offsets] + (1 << 30).to_bytes(4, "little") + GOOD[offsets + 4 :]
    with pytest.raises(Internal, match="cannot be read"):
        opened().read(batch_message(evil, 40))


def test_text_that_is_no_utf8_is_refused() -> None:
    place = GOOD.find("备注".encode())
    assert place > 0
    with pytest.raises(Internal, match="cannot be read"):
        opened().read(batch_message(GOOD[:place] + b"\xff\xff\xff" + GOOD[place + 3 :], 40))


@pytest.mark.parametrize("data", [b"", b"noise", b"\xff" * 300, GOOD], ids=["nothing", "noise", "ones", "a batch"])
def test_a_broken_schema_is_refused(data: bytes) -> None:
    wire = frame_to_proto(HEADER, query_pb2.QueryResponse)
    wire.header.arrow_schema = data
    with pytest.raises(Internal):
        FrameReader().read(wire)


def test_rows_before_the_header_and_frames_of_no_kind_are_refused() -> None:
    with pytest.raises(Internal, match="before its header"):
        FrameReader().read(batch_message(GOOD, 40))
    with pytest.raises(Internal, match="does not know"):
        FrameReader().read(query_pb2.QueryResponse())


def test_damaged_batches_neither_end_the_process_nor_pass_unsound() -> None:
    """In a process of its own, for native code follows what it reads: 3,000 batches with some bytes changed."""
    program = textwrap.dedent("""
        import random, sys
        import pyarrow as pa
        sys.path.insert(0, ".")
        from guotu.model.digest import SegmentDigest
        from guotu.model.errors import Internal
        from tests.unit import test_answers_wire as it
        chance, read = random.Random(20), 0
        for _ in range(3000):
            data = bytearray(it.GOOD)
            for _ in range(chance.randint(1, 4)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                batch = it.opened().read(it.batch_message(bytes(data), 40))
            except Internal:
                continue
            read += 1
            SegmentDigest(it.SCHEMA).update(batch.rows)
            batch.rows.take(pa.array([39, 0])).serialize()
        print("read", read)
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 0 < int(done.stdout.split()[1]) < 3000
