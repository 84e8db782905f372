"""Increments on the node's side: what rows state, what is to be deleted, and what does not fit."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from guotu.model.collection import GEOMETRY, Collection
from guotu.model.errors import InvalidInput
from guotu.model.schema import arrow_schema
from node.ingest.increment import Changed, IncrementInspector
from node.ingest.inspect import Inspector
from node.ingest.kinds import FaultKind as K
from node.ingest.misfits import SHOWN, misfit_row, with_misfits
from node.ingest.report import DELETES, Fault, ImportReport
from tests.support.inspection import gazetteer_bounds
from tests.support.layers import PARCELS, good_rows, wkb_of

KEYS = good_rows(4).columns["BSM"]


def changes(count: int = 4, **columns: list[Any]) -> pa.RecordBatch:
    rows = good_rows(count)
    return pa.record_batch({**rows.columns, **columns, GEOMETRY: pa.array(wkb_of(rows.shapes), pa.binary())})


def inspect(
    rows: pa.RecordBatch | None,
    deletes: pa.RecordBatch | None = None,
    collection: Collection = PARCELS,
    size: int = 100,
    source_faults: tuple[Fault, ...] = (),
) -> tuple[ImportReport, list[Changed], list[pa.RecordBatch]]:
    """Inspect an increment, cut into batches of some size; returns (report, changes, deletes)."""
    inner = Inspector(collection, "510104", gazetteer_bounds(), whole=False, source_faults=source_faults)
    schemas = [None if batch is None else batch.schema for batch in (rows, deletes)]
    inspector = IncrementInspector(inner, collection, *schemas)
    try:
        taken = [inspector.take(part) for part in cut(rows, size)]
        gone = [inspector.take_deletes(part) for part in cut(deletes, size)]
        report = inspector.finish()
    finally:
        inspector.close()
    return report, [item for item in taken if item], [item for item in gone if item]


def cut(batch: pa.RecordBatch | None, size: int) -> list[pa.RecordBatch]:
    return [] if batch is None else [batch.slice(at, size) for at in range(0, len(batch), size)]


def kinds(report: ImportReport) -> dict[tuple[K, str, str], int]:
    return {(fault.kind, fault.field, fault.part): fault.count for fault in report.faults}


def test_plain_new_states_state_nothing() -> None:
    report, (changed,), deletes = inspect(changes())
    assert (report.ok, report.rows, deletes) == (True, 4, [])
    assert changed.rows.schema.equals(arrow_schema(PARCELS))
    assert changed.stated is None


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["insert", "UPDATE", " Insert ", None], [1, 2, 1, None]),
        (["I", "u", "i", "U"], [1, 2, 1, 2]),
        (["新增", "变更", "", "  "], [1, 2, None, None]),
    ],
)
@pytest.mark.parametrize("size", [1, 3])
def test_operations_are_read_in_both_languages(words: list[Any], wanted: list[Any], size: int) -> None:
    report, changed, _ = inspect(changes(_op=pa.array(words, pa.string())), size=size)
    assert report.ok
    stated = pa.Table.from_batches([item.stated for item in changed if item.stated is not None])
    assert stated.schema.equals(pa.schema([("_op", pa.int8())]))
    assert stated["_op"].to_pylist() == wanted


def test_an_operation_that_is_none_is_told_with_its_remedy() -> None:
    report, changed, _ = inspect(changes(_op=["I", "D", "删除", "D"]))
    assert changed == []
    (fault,) = report.faults
    assert (fault.kind, fault.count, fault.keys, fault.values) == (
        K.UNKNOWN_OPERATION, 3, tuple(KEYS[1:]), ("D", "删除"),
    )  # fmt: skip
    assert "--deletes" in fault.remedy_chinese
    assert "--deletes" in fault.remedy_english


def test_values_before_are_cast_as_their_fields_but_not_held_to_code_lists() -> None:
    report, (changed,), _ = inspect(
        changes(
            TBMJ__before=["1.5", None, "", "20"],
            DLBM__before=["0199", "0101", None, "0102"],
            GXRQ__before=["2024-01-31", "", None, "20240229"],
        )
    )
    assert report.ok
    assert changed.stated is not None
    assert changed.stated.to_pydict() == {
        "TBMJ": [1.5, None, None, 20.0],
        "DLBM": ["0199", "0101", None, "0102"],
        "GXRQ": [date(2024, 1, 31), None, None, date(2024, 2, 29)],
    }
    assert "DLBM__before" not in changed.rows.schema.names


def test_a_value_before_that_cannot_be_read_is_a_fault_of_its_column() -> None:
    report, changed, _ = inspect(changes(TBMJ__before=["1.5", "x", "y", None]))
    assert kinds(report) == {(K.WRONG_TYPE, "TBMJ__before", ""): 2}
    assert report.faults[0].keys == tuple(KEYS[1:3])
    assert changed == []


def test_a_key_has_no_value_before() -> None:
    report, _, _ = inspect(changes(BSM__before=KEYS))
    assert kinds(report) == {(K.EXTRA_COLUMN, "BSM__before", ""): 0}


def test_a_missing_field_is_not_guessed_at() -> None:
    batch = changes().drop_columns(["DLMC", "TBMJ"])
    report, _, _ = inspect(batch)
    assert kinds(report) == {(K.INCOMPLETE_STATE, "DLMC", ""): 0, (K.MISSING_COLUMN, "TBMJ", ""): 0}
    assert "--map" in report.faults[0].remedy_english


def test_rows_of_an_increment_are_held_to_the_schema_like_a_layers() -> None:
    report, _, _ = inspect(changes(DLBM=["0101", "0199", "0101", "0101"], _op=["I"] * 4))
    assert kinds(report) == {(K.UNKNOWN_CODE, "DLBM", ""): 1}
    report, _, _ = inspect(changes(BSM=[KEYS[0], KEYS[0], *KEYS[2:]]))
    assert kinds(report) == {(K.KEY_DUPLICATE, "BSM", ""): 1}


def test_deletes_need_only_the_key() -> None:
    report, rows, (deletes,) = inspect(None, pa.record_batch({"BSM": KEYS}))
    assert (report.ok, report.rows, rows) == (True, 4, [])
    assert deletes.to_pydict() == {"BSM": KEYS}


def test_deletes_state_values_of_any_field() -> None:
    batch = pa.record_batch({"TBMJ": ["1", None], "DLBM": ["0199", ""], "BSM": KEYS[:2]})
    report, _, (deletes,) = inspect(None, batch)
    assert report.ok
    assert deletes.to_pydict() == {"BSM": KEYS[:2], "DLBM": ["0199", None], "TBMJ": [1.0, None]}


def test_faults_of_deletes_say_that_they_are() -> None:
    batch = pa.record_batch({"BSM": [KEYS[0], None, KEYS[0]], "TBMJ": ["x", "1", "2"]})
    report, rows, deletes = inspect(changes(), batch, size=1)
    assert kinds(report) == {
        (K.KEY_NULL, "BSM", DELETES): 1,
        (K.KEY_DUPLICATE, "BSM", DELETES): 1,
        (K.WRONG_TYPE, "TBMJ", DELETES): 1,
    }
    assert (len(rows), deletes) == (4, [])
    report, _, _ = inspect(None, pa.record_batch({"DLBM": ["0101"]}))
    assert kinds(report) == {(K.MISSING_COLUMN, "BSM", DELETES): 0}


def test_no_rows_are_a_fault_only_where_there_are_none_at_all() -> None:
    nothing, some = changes(0), pa.record_batch({"BSM": KEYS})
    assert inspect(nothing, some)[0].ok
    assert inspect(changes(), some.slice(0, 0))[0].ok
    assert kinds(inspect(nothing, some.slice(0, 0))[0]) == {(K.EMPTY_LAYER, "", ""): 0}
    assert kinds(inspect(nothing)[0]) == {(K.EMPTY_LAYER, "", ""): 0}


def test_an_unreadable_list_of_deletes_does_not_hide_faults_of_the_changes() -> None:
    unread = Fault(K.UNREADABLE_FILE, detail="torn", part=DELETES)
    report, _, _ = inspect(changes().drop_columns(["TBMJ"]), source_faults=(unread,))
    assert kinds(report) == {(K.MISSING_COLUMN, "TBMJ", ""): 0, (K.UNREADABLE_FILE, "", DELETES): 0}


def test_what_was_not_announced_is_refused() -> None:
    inner = Inspector(PARCELS, "510104", gazetteer_bounds(), whole=False)
    inspector = IncrementInspector(inner, PARCELS, changes().schema, None)
    with pytest.raises(InvalidInput, match="not announced"):
        inspector.take_deletes(pa.record_batch({"BSM": KEYS}))
    inspector.close()
    with pytest.raises(InvalidInput, match="changes, deletes or both"):
        IncrementInspector(inner, PARCELS, None, None)


def test_misfits_are_counted_by_kind_and_field_and_listed_one_by_one() -> None:
    rows = [
        misfit_row("insert_of_existing", "a", "", None, None),
        misfit_row("before_differs", "b", "DLBM", "0101", "0102"),
        misfit_row("before_differs", 7, "DLBM", "0101", None),
        misfit_row("before_differs", "b", "TBMJ", 1.5, 2.5),
        misfit_row("update_of_missing", "c", "", None, None),
        misfit_row("delete_of_missing", "d", "", None, None),
        misfit_row("changed_and_deleted", "e", "", None, None),
    ]
    report = with_misfits(ImportReport("c", "s", 9), rows)
    found = {(fault.kind, fault.field): (fault.count, fault.keys, fault.values) for fault in report.faults}
    assert found == {
        (K.INSERT_OF_EXISTING, ""): (1, ("a",), ()),
        (K.UPDATE_OF_MISSING, ""): (1, ("c",), ()),
        (K.DELETE_OF_MISSING, ""): (1, ("d",), ()),
        (K.BEFORE_DIFFERS, "DLBM"): (2, ("b", "7"), ("0101 ≠ 0102", "0101 ≠ ")),
        (K.BEFORE_DIFFERS, "TBMJ"): (1, ("b",), ("1.5 ≠ 2.5",)),
        (K.CHANGED_AND_DELETED, ""): (1, ("e",), ()),
    }
    assert not report.ok
    assert report.misfits == tuple(rows)
    assert all(fault.chinese and fault.remedy_english for fault in report.faults)
    assert with_misfits(report, []) is report


def test_many_misfits_are_all_counted_and_the_first_listed() -> None:
    rows = [misfit_row("update_of_missing", number, "", None, None) for number in range(SHOWN + 5)]
    report = with_misfits(ImportReport("c", "s", 9), rows)
    assert (report.faults[0].count, len(report.faults[0].keys), len(report.misfits)) == (SHOWN + 5, 5, SHOWN)


def test_a_kind_that_nobody_knows_is_not_passed_on() -> None:
    with pytest.raises(ValueError, match="SOMETHING"):
        misfit_row("something", "a", "", None, None)
