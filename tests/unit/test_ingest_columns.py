from __future__ import annotations

import pytest

from node.ingest.columns import Role, is_bookkeeping, plan_columns
from node.ingest.kinds import FaultKind as K
from node.ingest.tally import Tally
from tests.support.layers import PARCELS

ALL = [field.name for field in PARCELS.fields]


def plan(
    columns: list[str], role: Role = Role.LAYER, operation: str | None = None, **mapping: str
) -> tuple[dict[str, str], set[tuple[K, str]]]:
    tally = Tally()
    planned = plan_columns(columns, PARCELS, mapping, tally, role, operation)
    return dict(planned.column_of), {(fault.kind, fault.field) for fault in tally.findings()}


def test_names_match_without_case_in_the_order_of_the_collection():
    planned, findings = plan([name.lower() for name in reversed(ALL)])
    assert list(planned.items()) == [(name, name.lower()) for name in ALL]
    assert findings == set()


def test_a_mapping_names_columns_and_drops_them():
    planned, findings = plan(["BH", "DLBM", "x"], bh="bsm", x="")
    assert planned == {"BSM": "BH", "DLBM": "DLBM"}
    assert findings == {(K.NOTICE_COLUMN_IGNORED, "x")}


def test_a_field_claimed_twice_until_one_is_dropped():
    assert (K.COLUMN_AMBIGUOUS, "BSM") in plan(["BSM", "bsm"])[1]
    assert (K.COLUMN_AMBIGUOUS, "BSM") in plan(["BH", "BSM"], BH="BSM")[1]
    planned, findings = plan(["BH", "BSM"], BH="BSM", BSM="")
    assert planned == {"BSM": "BH"}
    assert findings == {(K.NOTICE_COLUMN_IGNORED, "BSM")}


def test_a_mapping_of_an_ambiguous_name_fits_nothing():
    assert (K.MAP_UNKNOWN, "note") in plan(["NOTE", "Note"], note="DLMC")[1]


@pytest.mark.parametrize(
    "name",
    [
        "OBJECTID",
        "OBJECTID_1",
        "FID",
        "FID_dltb",
        "ogc_fid",
        "Shape_Length",
        "SHAPE_Leng",
        "Shape_Area",
        "Shape_Le_1",
        "bbox",
    ],
)
def test_bookkeeping_is_known(name: str):
    assert is_bookkeeping(name)


@pytest.mark.parametrize("name", ["ID", "AREA", "LENGTH", "TBMJ", "SHAPE", "FIDELITY"])
def test_what_may_be_data_is_no_bookkeeping(name: str):
    assert not is_bookkeeping(name)


def test_an_increment_may_state_operations_and_values_before():
    planned, findings = plan(["BSM", "dlbm", "_OP", "dlbm__BEFORE", "x__before"], Role.CHANGES)
    assert planned == {"BSM": "BSM", "DLBM": "dlbm", "_op": "_OP", "DLBM__before": "dlbm__BEFORE"}
    assert findings == {(K.EXTRA_COLUMN, "x__before")}
    assert plan(["BSM", "_op", "DLBM__before"])[1] == {(K.EXTRA_COLUMN, "_op"), (K.EXTRA_COLUMN, "DLBM__before")}


def test_names_that_a_shapefile_cut_off_are_mapped():
    planned, findings = plan(["BSM", "DLBM__befo", "BGLX"], Role.CHANGES, DLBM__befo="DLBM__before", BGLX="_op")
    assert (planned, findings) == ({"BSM": "BSM", "_op": "BGLX", "DLBM__before": "DLBM__befo"}, set())


def test_another_column_may_state_the_operation_and_be_a_field_too():
    planned, findings = plan(["BSM", "bglx", "_op"], Role.CHANGES, "BGLX")
    assert (planned, findings) == ({"BSM": "BSM", "_op": "bglx"}, {(K.NOTICE_COLUMN_IGNORED, "_op")})
    planned, findings = plan(["BSM", "DLMC"], Role.CHANGES, "DLMC")
    assert (planned, findings) == ({"BSM": "BSM", "DLMC": "DLMC", "_op": "DLMC"}, set())
    assert plan(["BSM"], Role.CHANGES, "BGLX")[1] == {(K.MAP_UNKNOWN, "BGLX")}


def test_a_list_of_deletes_states_values_and_may_have_columns_of_its_own():
    planned, findings = plan(["bsm", "DLBM__before", "TBMJ", "reason"], Role.DELETES)
    assert planned == {"BSM": "bsm", "DLBM": "DLBM__before", "TBMJ": "TBMJ"}
    assert findings == {(K.NOTICE_DELETES_COLUMN, "reason")}


def test_a_list_of_deletes_is_given_the_mapping_of_the_changes():
    assert plan(["BSM"], Role.DELETES, note="DLMC") == ({"BSM": "BSM"}, set())
    assert plan(["BSM", "note"], Role.DELETES, note="nothing")[1] >= {(K.MAP_UNKNOWN, "note")}
