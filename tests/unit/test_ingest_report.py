from __future__ import annotations

import json
import re
import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guotu.model.errors import ImportRefused
from node.ingest.kinds import FORCEABLE, UNPLACED, UNREAD, FaultKind
from node.ingest.report import (
    DELETES,
    Fault,
    ImportReport,
    MisfitRow,
    Repairs,
    faults_from_json,
    faults_to_json,
    sort_findings,
)
from node.ingest.sentences import SENTENCES

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "import-report.md"
TEXT = st.text(max_size=20)
TEXTS = st.lists(TEXT, max_size=5).map(tuple)
PARTS = st.sampled_from(["", DELETES])
FAULTS = st.builds(Fault, st.sampled_from(FaultKind), TEXT, st.integers(0, 10**9), TEXTS, TEXT, TEXTS, PARTS)
MISFITS = st.builds(MisfitRow, st.sampled_from(FaultKind), TEXT, TEXT, TEXT, TEXT)
AREAS = st.floats(0, 1e12)
REPORTS = st.builds(
    ImportReport,
    collection=TEXT,
    source=TEXT,
    rows=st.integers(0, 10**9),
    faults=st.lists(FAULTS, max_size=4).map(tuple),
    notices=st.lists(FAULTS, max_size=4).map(tuple),
    repairs=st.none() | st.builds(Repairs, st.integers(1, 99), TEXTS, AREAS, AREAS, AREAS),
    misfits=st.lists(MISFITS, max_size=3).map(tuple),
)


@settings(deadline=None)
@given(REPORTS)
def test_a_report_survives_its_json(report: ImportReport):
    assert ImportReport.from_json(report.to_json()) == report
    assert json.loads(report.to_json())["ok"] is (not report.faults)


@settings(deadline=None)
@given(st.lists(FAULTS, max_size=4).map(tuple))
def test_findings_survive_their_json(faults: tuple[Fault, ...]):
    assert faults_from_json(faults_to_json(faults)) == faults


def test_the_same_finding_of_another_file_is_another_and_says_so():
    fault = Fault(FaultKind.KEY_NULL, "BSM", 3)
    report = ImportReport("c", "s", 1, (fault,)).joined([replace(fault, part=DELETES, count=1)])
    assert [(found.part, found.count) for found in report.faults] == [("", 3), (DELETES, 1)]
    assert report.faults[1].english.startswith("list of deletes: 1 features")
    assert report.faults[1].chinese.startswith("删除清单：1 个要素")


def test_no_bytes_are_no_findings():
    assert faults_from_json(b"") == ()


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"collection":"a"}', b"nonsense", b'{"repairs":{}}'])
def test_what_is_no_report_is_said_so(data: bytes):
    with pytest.raises(ValueError):  # noqa: PT011 - json's own error is one
        ImportReport.from_json(data)


@settings(deadline=None)
@given(FAULTS)
def test_every_kind_speaks_both_languages(fault: Fault):
    for text in (fault.chinese, fault.english):
        assert text
    assert bool(fault.remedy_chinese) == bool(fault.remedy_english) == (not fault.kind.is_notice)


@pytest.mark.parametrize("kind", FaultKind)
def test_sentences_of_a_kind_agree(kind: FaultKind):
    sentence = SENTENCES[kind]
    assert re.search("[\u4e00-\u9fff]", sentence.zh)
    assert not re.search("[\u4e00-\u9fff]", sentence.en.replace("火星坐标", ""))

    def facts(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    assert facts(sentence.zh) == facts(sentence.en)
    assert facts(sentence.remedy_zh) == facts(sentence.remedy_en)


def test_the_reference_lists_every_kind_once():
    listed = re.findall(r"^\| `([A-Z0-9_]+)` \|", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(FaultKind)


def test_groups_of_kinds_are_of_faults():
    assert not any(kind.is_notice for kind in FORCEABLE | UNPLACED | UNREAD)
    assert UNREAD <= UNPLACED


def test_findings_are_parted_and_ordered():
    notice, late, early = Fault(FaultKind.NOTICE_WGS84), Fault(FaultKind.OUT_OF_BOUNDS), Fault(FaultKind.CRS_MISSING)
    assert sort_findings([notice, late, early]) == ((early, late), (notice,))


def test_findings_of_the_reader_join_once():
    missing, notice = Fault(FaultKind.CRS_MISSING), Fault(FaultKind.NOTICE_WGS84)
    report = ImportReport("dltb", "a.shp", 3).joined([missing, notice])
    assert report.joined([missing, notice]) == report
    assert (report.faults, report.notices, report.ok) == ((missing,), (notice,), False)


def test_a_finding_that_grew_replaces_what_it_was():
    early, late = Fault(FaultKind.NOTICE_CURVES, count=3), Fault(FaultKind.NOTICE_CURVES, count=8)
    report = ImportReport("dltb", "a.shp", 3, notices=(early,))
    assert report.joined([late]).notices == report.joined([late]).joined([early]).notices == (late,)


def test_a_refusal_names_the_source():
    error = ImportReport("dltb", "a.shp", 3, faults=(Fault(FaultKind.CRS_MISSING),)).refusal()
    assert isinstance(error, ImportRefused)
    assert error.facts == {"source": "a.shp", "faults": 1}
