"""A layer overlay asked member by member: what is kept, what is asked again, and how it ends."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from guotu.answering import Answer
from guotu.model import errors
from guotu.model.answer import Batch, Completeness, Frame, Header, MemberOutcome, Notice, Outcome, Trailer
from guotu.model.overlay import AREA_TYPE
from guotu.model.plan import Plan
from guotu.model.question import CompletenessMode, LayerOverlay, Options, Scope, Selection, ZoneSource
from guotu.overlays import blocks, gathering
from guotu.overlays.folder import JobFolder
from guotu.overlays.job import OverlayJob
from tests.support.small_disk import SmallDisk

HEADS = {f"{owner}/dltb": 1 for owner in ("510000", "510100", "510700", "500000", "520000", "530000")}
ZONES = {"510000/yjjbntbhtb": 4, "500000/yjjbntbhtb": 2}
SCHEMA = pa.schema([pa.field("zone_DLBM", pa.string()), pa.field("count", pa.int64()), pa.field("area_m2", AREA_TYPE)])
QUESTION = LayerOverlay("dltb", ZoneSource("yjjbntbhtb", ("DLBM",)), selection=Selection(within=b"\1\2"))
PARTIAL = replace(QUESTION, options=Options(completeness=CompletenessMode.ALLOW_PARTIAL))


class Nodes:
    """Answers for each dataset with two groups; fails for those that it is told of."""

    said = Notice("OWNER_NOT_ASKED", "features count twice", "510000/dltb")

    def __init__(self, **failures: errors.GuotuError) -> None:
        self.failures = {f"{owner.removeprefix('n')}/dltb": failure for owner, failure in failures.items()}
        self.asked: list[LayerOverlay] = []
        self.boundary: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, question: LayerOverlay) -> Iterator[Frame]:
        dataset = question.options.dataset
        with self._lock:
            self.asked.append(question)
            begun = len(self.asked) > 1
        yield Header(
            "r", "100000", Plan("100000", "dltb", Scope.SUBTREE, ()), {dataset: 1, **ZONES, **self.boundary}, SCHEMA
        )
        yield self.said
        failure = self.failures.get(dataset) if begun else None
        mode = question.options.completeness
        if failure is None:
            number = int(dataset[:6])
            areas = pa.array([Decimal(number), Decimal("0.0001")], AREA_TYPE)
            yield Batch("", pa.record_batch([pa.array(["01", None]), pa.array([number, 1]), areas], schema=SCHEMA))
            member = MemberOutcome(dataset[:6], dataset, Outcome.ANSWERED, version=1, rows=2)
            yield Trailer(Completeness(mode, (member,)), 2, 10, b"")
            return
        if isinstance(failure, errors.Incomplete):
            lost = MemberOutcome(dataset[:6], dataset, Outcome.UNREACHABLE, "NODE_UNAVAILABLE")
            yield Trailer(Completeness(mode, (lost,)), 0, 0, b"")
        raise failure

    @property
    def datasets(self) -> list[str]:
        """Datasets that were asked, but for the first question, which is asked for its header."""
        return sorted(question.options.dataset for question in self.asked[1:])


def answered(question: LayerOverlay, nodes: Nodes, path: Path, heads: dict[str, int] = HEADS) -> Answer:
    with JobFolder(path) as folder:
        job = OverlayJob(question, heads, nodes, folder)
        *_, last = job.run()
        assert last.done == last.total == len(HEADS)
        return Answer(iter(list(_until(job.frames()))))


def _until(frames: Iterator[Frame]) -> Iterator[Frame]:
    try:
        yield from frames
    except errors.Incomplete:
        return


def total(answer: Answer) -> dict[Any, tuple[int, Decimal]]:
    return {row["zone_DLBM"]: (row["count"], row["area_m2"]) for row in answer.table().to_pylist()}


def let_go() -> None:
    """Wait for members that a job has let go of: they end with their next frame."""
    for thread in threading.enumerate():
        if thread.name.startswith("overlay"):
            thread.join()


WHOLE = sum(int(name[:6]) for name in HEADS)
LOST = errors.IncompleteAnswer(missing="-")


def test_members_are_asked_at_the_cut_of_the_first_answer(tmp_path: Path) -> None:
    nodes = Nodes()
    answer = answered(QUESTION, nodes, tmp_path)
    assert total(answer) == {"01": (WHOLE, Decimal(WHOLE)), None: (6, Decimal("0.0006"))}
    assert dict(answer.cut) == {**HEADS, **ZONES}
    assert [member.dataset for member in answer.completeness.members] == sorted(HEADS)
    assert nodes.datasets == sorted(HEADS)
    for asked in nodes.asked[1:]:
        assert asked.zones.cut == ZONES
        assert asked.options.cut == {asked.options.dataset: 1}
        assert asked.left_to == {"510100/dltb": 1, "510700/dltb": 1}


def test_what_members_have_to_say_is_told_once_also_of_parts_that_were_kept(tmp_path: Path) -> None:
    for nodes in (Nodes(), Nodes()):
        answer = answered(QUESTION, nodes, tmp_path)
        assert answer.trailer
        assert answer.warnings == [Nodes.said]


def test_what_is_kept_is_not_asked_again_and_heads_do_not_matter_then(tmp_path: Path) -> None:
    first = answered(QUESTION, Nodes(), tmp_path)
    nodes = Nodes()
    again = answered(QUESTION, nodes, tmp_path, {"510000/dltb": 9})
    assert not nodes.asked
    assert again.digest == first.digest
    assert again.table() == first.table()


@pytest.mark.parametrize("damage", ["cut short", "unreadable", "without its proof"])
def test_a_damaged_part_is_asked_again(tmp_path: Path, damage: str) -> None:
    first = answered(QUESTION, Nodes(), tmp_path)
    part = tmp_path / "parts" / "510100~dltb.arrow"
    if damage == "cut short":
        part.write_bytes(part.read_bytes()[:-1])
    elif damage == "unreadable":
        part.with_suffix(".json").write_text("{")
    else:
        part.with_suffix(".json").unlink()
    nodes = Nodes()
    assert answered(QUESTION, nodes, tmp_path).digest == first.digest
    assert [question.options.dataset for question in nodes.asked] == ["510100/dltb"]


def test_a_member_that_is_lost_does_not_hold_up_the_rest_and_is_asked_again(tmp_path: Path) -> None:
    nodes = Nodes(n510100=LOST, n520000=errors.DeadlineExceeded(node="-", seconds=1))
    with JobFolder(tmp_path) as folder:
        job = OverlayJob(QUESTION, HEADS, nodes, folder)
        assert [progress.done for progress in job.run()] == list(range(7))
        with pytest.raises(errors.IncompleteAnswer, match="510100/dltb UNREACHABLE") as refused:
            list(job.frames())
    assert refused.value.completeness is not None
    assert [member.outcome for member in refused.value.completeness.missing] == [
        Outcome.UNREACHABLE,
        Outcome.TIMED_OUT,
    ]
    rest = Nodes()
    assert total(answered(PARTIAL, rest, tmp_path))["01"][0] == WHOLE
    assert sorted(question.options.dataset for question in rest.asked) == ["510100/dltb", "520000/dltb"]


def test_a_partial_answer_is_marked_and_nobody_is_an_error(tmp_path: Path) -> None:
    answer = answered(PARTIAL, Nodes(n510100=LOST), tmp_path / "a")
    assert total(answer)["01"][0] == WHOLE - 510100
    assert not answer.completeness.complete
    nobody = Nodes(**{f"n{name[:6]}": LOST for name in HEADS})
    with JobFolder(tmp_path / "b") as folder:
        job = OverlayJob(PARTIAL, HEADS, nobody, folder)
        list(job.run())
        with pytest.raises(errors.NobodyAnswered):
            list(job.frames())


def test_the_job_ends_with_what_concerns_the_node_asked(tmp_path: Path) -> None:
    gone = errors.NodeUnavailable(address="a:1", detail="gone")
    with JobFolder(tmp_path) as folder, pytest.raises(errors.NodeUnavailable):
        list(OverlayJob(QUESTION, HEADS, Nodes(n530000=gone), folder).run())
    rest = Nodes()
    assert total(answered(QUESTION, rest, tmp_path))["01"][0] == WHOLE
    assert "530000/dltb" in {question.options.dataset for question in rest.asked}


def test_versions_and_one_dataset_may_be_chosen(tmp_path: Path) -> None:
    options = Options(cut={"510100/dltb": 7}, dataset="510100/dltb")
    nodes = Nodes()
    with JobFolder(tmp_path) as folder:
        job = OverlayJob(replace(QUESTION, options=options), {}, nodes, folder)
        assert [progress.total for progress in job.run()] == [1, 1]
    assert nodes.asked[-1].options.cut == {"510100/dltb": 7}
    assert not nodes.asked[-1].left_to


def test_a_boundary_is_taken_at_the_versions_of_the_first_answer(tmp_path: Path) -> None:
    nodes = Nodes()
    nodes.boundary = {"510000/county": 3}
    within = replace(QUESTION, selection=Selection(boundary="510100"))
    assert answered(within, nodes, tmp_path).cut == {**HEADS, **ZONES, "510000/county": 3}
    assert all(asked.options.cut["510000/county"] == 3 for asked in nodes.asked[1:])


def test_a_folder_is_that_of_one_question_and_one_process(tmp_path: Path) -> None:
    answered(QUESTION, Nodes(), tmp_path)
    others = [
        replace(QUESTION, group_by=("DLBM",)),
        replace(QUESTION, selection=Selection(within=b"\1")),
        replace(QUESTION, options=Options(cut={"510100/dltb": 2})),
    ]
    for other in others:
        with JobFolder(tmp_path) as folder, pytest.raises(errors.InvalidQuestion, match="another question"):
            OverlayJob(other, HEADS, Nodes(), folder)
    with JobFolder(tmp_path), pytest.raises(errors.DirectoryInUse):
        JobFolder(tmp_path).__enter__()
    (tmp_path / "job.json").write_text("[]")
    with JobFolder(tmp_path) as folder, pytest.raises(errors.InvalidQuestion, match=r"job\.json"):
        OverlayJob(QUESTION, HEADS, Nodes(), folder)


def test_nothing_to_measure_is_told(tmp_path: Path) -> None:
    with JobFolder(tmp_path) as folder, pytest.raises(errors.InvalidQuestion, match="nobody has a dataset"):
        OverlayJob(QUESTION, {}, Nodes(), folder)


def test_groups_that_do_not_fit_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = answered(QUESTION, Nodes(), tmp_path / "a")
    monkeypatch.setattr(gathering, "_MOST_ROWS", 1)
    monkeypatch.setattr(blocks, "_MEMORY_BYTES", 1)
    again = answered(QUESTION, Nodes(), tmp_path / "b")
    assert again.digest == first.digest
    assert again.table() == first.table()


def test_what_was_not_finished_is_swept_away(tmp_path: Path) -> None:
    gone = errors.NodeUnavailable(address="a:1", detail="gone")
    with JobFolder(tmp_path) as folder, pytest.raises(errors.NodeUnavailable):
        list(OverlayJob(QUESTION, HEADS, Nodes(n510000=gone), folder).run())
    let_go()
    for name in ("job.json.0a.tmp", "parts/510000~dltb.arrow.0b.tmp"):
        (tmp_path / name).write_bytes(b"half")
    answered(QUESTION, Nodes(), tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"]


def test_a_full_disk_is_told_and_the_job_goes_on_once_there_is_room(tmp_path: Path) -> None:
    root = Path(tempfile.mkdtemp(prefix="gt-"))
    disk = SmallDisk(root / "data", 4)
    try:
        with JobFolder(disk.path / "job") as folder:
            job = OverlayJob(QUESTION, HEADS, Nodes(), folder)
            disk.leave(0)
            with pytest.raises(errors.DiskFull, match="job's folder"):
                list(job.run())
            let_go()
        disk.clear()
        assert total(answered(QUESTION, Nodes(), disk.path / "job"))["01"][0] == WHOLE
        assert not [path for path in disk.path.rglob("*") if path.suffix == ".tmp"]
    finally:
        disk.close()
        shutil.rmtree(root)
