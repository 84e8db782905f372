from __future__ import annotations

import pytest

from node.ingest.columns import is_bookkeeping, plan_columns
from node.ingest.kinds import FaultKind as K
from node.ingest.tally import Tally
from tests.support.layers import PARCELS

ALL = [field.name for field in PARCELS.fields]


def plan(columns: list[str], **mapping: str) -> tuple[dict[str, str], set[tuple[K, str]]]:
    tally = Tally()
    planned = plan_columns(columns, PARCELS, mapping, tally)
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
