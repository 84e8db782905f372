"""The demonstration's edit is the same each time, and its checks of replicas can fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
import shapely

from demo.edit import EDITOR, Edit, make_edit
from demo.owners import LAYERS, Part, split
from demo.replica import Difference, End, Replication
from demo.verdicts import check_journey
from guotu.wire.care import VerifyResult


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Part:
    parts = split(LAYERS[1], tmp_path_factory.mktemp("parts"))
    return next(item for item in parts if item.node == EDITOR)


@pytest.fixture
def edit(part: Part, tmp_path: Path) -> Edit:
    return make_edit(part, tmp_path)


def verified(digest: str) -> VerifyResult:
    return VerifyResult(f"{EDITOR}/landcover", 2, 3, digest, "signed", (), (), 0, 0, (), 0)


def difference(edit: Edit) -> Difference:
    """Return what a replica tells that holds just this edit."""

    def side(rows: object) -> object:
        return None if rows is None else {**rows, "geometry": shapely.to_wkb(rows["geometry"])}  # type: ignore[dict-item, index]

    ops = {**dict.fromkeys(edit.updated, "update"), **dict.fromkeys(edit.inserted, "insert")}
    ops |= dict.fromkeys(edit.deleted, "delete")
    rows = [
        {"bsm": key, "op": op, "before": side(edit.before.get(key)), "after": side(edit.after.get(key))}
        for key, op in sorted(ops.items())
    ]
    return Difference("", pa.Table.from_pylist(rows), {})


@pytest.fixture
def found(edit: Edit) -> Replication:
    """A journey in which all went well."""
    ends = [End(node, verified("signed"), {1: "old", 2: "new"}) for node in (EDITOR, "100000")]
    return Replication("100000", before="old", ends=ends, difference=difference(edit))


def failed(found: Replication, edit: Edit) -> set[str]:
    return {check.name for check in check_journey(found, edit) if not check.passed}


def test_a_journey_that_went_well_passes(found: Replication, edit: Edit) -> None:
    assert failed(found, edit) == set()


def test_another_digest_fails(found: Replication, edit: Edit) -> None:
    found.ends[1] = replace(found.ends[1], verified=verified("other"))
    assert failed(found, edit) == {"replica"}


def test_another_old_answer_fails(found: Replication, edit: Edit) -> None:
    found.ends[0] = replace(found.ends[0], answers={1: "other", 2: "new"})
    assert failed(found, edit) == {"old"}


def test_a_difference_that_is_not_the_edit_fails(found: Replication, edit: Edit) -> None:
    key = min(edit.updated)
    moved = {**edit.after[key], "geometry": shapely.transform(edit.after[key]["geometry"], lambda xy: xy + 1e-9)}
    assert failed(found, replace(edit, after={**edit.after, key: moved})) == {"diff"}
    assert failed(found, replace(edit, before={name: edit.before[name] for name in edit.updated})) == {"diff"}


def test_the_edit_is_the_same_each_time(part: Part, edit: Edit, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    folder.mkdir()
    again = make_edit(part, folder)
    assert again.changes.read_bytes() == edit.changes.read_bytes()
    assert again.deletes.read_bytes() == edit.deletes.read_bytes()


def test_the_files_say_what_the_edit_is(part: Part, edit: Edit) -> None:
    there = set(pq.read_table(part.path)["bsm"].to_pylist())
    changes = pq.read_table(edit.changes)
    ops = dict(zip(changes["bsm"].to_pylist(), changes["_op"].to_pylist(), strict=True))
    assert {key for key, op in ops.items() if op == "update"} == edit.updated <= there
    assert {key for key, op in ops.items() if op == "insert"} == edit.inserted
    assert not edit.inserted & there
    text = pc.ConvertOptions(column_types={"bsm": pa.string()})
    assert set(pc.read_csv(edit.deletes, convert_options=text)["bsm"].to_pylist()) == edit.deleted <= there


def test_the_edit_loses_no_ground(edit: Edit) -> None:
    """What is split or cut off covers what it was cut from."""
    sides = [[row["geometry"] for row in rows.values()] for rows in (edit.before, edit.after)]
    before, after = map(shapely.union_all, sides)
    assert shapely.area(shapely.symmetric_difference(before, after)) < 1e-9
