"""Overlays through real processes: what the nodes find together is what one computation over all files finds."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from demo.mesh import LocalMesh
from guotu.model import errors
from guotu.model.answer import Outcome
from guotu.model.area import ellipsoidal_area_m2
from guotu.model.question import Options, Overlay
from guotu.model.zones import zones_of
from tests.support.overlaying import Oracle, Rows, rows_of
from tests.support.signed_answers import saved
from tests.support.small_mesh import DATA, OWNED, owner_of, run_guotu

ZONES = np.array(
    [
        shapely.box(103.9, 30.4, 104.4, 30.9),
        shapely.Point(105.4, 30.0).buffer(1.1),
        shapely.box(104.2, 30.7, 107.5, 29.2).difference(shapely.Point(106, 30).buffer(0.3)),
        shapely.box(80.0, 40.0, 81.0, 41.0),
    ]
)
NAMES = ["成都", "中部", "川渝", "别处"]


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    rows = pq.read_table(DATA / "landcover_2019.parquet", columns=["adcode", "igbp", "geometry"])
    mine = rows.filter([bool(owner_of(code)) for code in rows["adcode"].to_pylist()])
    return Oracle(shapely.from_wkb(mine["geometry"].to_numpy()), [(igbp,) for igbp in mine["igbp"].to_pylist()])


def test_the_nodes_find_together_what_one_computation_finds(mesh: LocalMesh, oracle: Oracle) -> None:
    with mesh.client("100000") as client:
        answer = client.overlay("landcover", ZONES, names=NAMES, group_by=["igbp"])
        table = answer.table()
    assert rows_of(table, ("igbp",)) == oracle.rows(ZONES, NAMES)
    assert [name for name in NAMES if name in table["zone"].to_pylist()] == list(
        dict.fromkeys(table["zone"].to_pylist())
    )
    assert len(answer.completeness.members) == len(OWNED)
    shares = sum(row["share"] for row in table.to_pylist() if row["zone"] == "成都")
    area = sum(row["area_m2"] for row in table.to_pylist() if row["zone"] == "成都")
    assert shares == pytest.approx(float(area) / ellipsoidal_area_m2(ZONES[:1])[0])


def test_without_groups_every_zone_has_a_row(mesh: LocalMesh, oracle: Oracle) -> None:
    with mesh.client("100000") as client:
        rows = client.overlay("landcover", ZONES).table().to_pylist()
    assert [row["zone"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[3] == {"zone": "4", "count": 0, "area_m2": Decimal("0.0000"), "share": 0.0}
    assert sum(row["count"] for row in rows) == sum(count for count, _ in oracle.rows(ZONES, NAMES).values())


def test_members_are_asked_about_the_zones_that_they_may_have_a_part_in(mesh: LocalMesh) -> None:
    zones = zones_of(NAMES, ZONES)
    with mesh.client("100000") as client:
        plan, happened = client.explain(Overlay("landcover", zones.take([0, 3])), analyze=True)
    assert plan.merge == "merge groups"
    assert plan.pushed_down == ("overlay with 2 zones", "group by ()", "partials count, area")
    details = {step.node: step.detail for step in plan.steps}
    assert "1 of 2 zones" in details["510000"]
    assert happened is not None
    outcomes = {member.dataset: (member.outcome, member.reason) for member in happened.completeness.members}
    assert outcomes["500000/landcover"] == (Outcome.PRUNED, "OUTSIDE_ZONES")
    assert outcomes["510100/landcover"][0] is Outcome.ANSWERED


def test_many_zones_are_asked_in_runs_and_divisions_are_zones(
    mesh: LocalMesh, oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guotu.model.zones.MAX_ZONES", 3)
    with mesh.client("100000") as client:
        answer = client.overlay("landcover", ZONES, names=NAMES, group_by=["igbp"])
        assert rows_of(answer.table(), ("igbp",)) == oracle.rows(ZONES, NAMES)
        assert len(answer.trailer.segments) == 2
        boundary = client.boundary("成都市")
    words = ["overlay", "--division", "成都市", "--zone", "框=POLYGON((104 30,105 30,105 31,104 31,104 30))"]
    ran = run_guotu(*words, "--with", "landcover", "--json", node=mesh.address("100000"))
    assert ran.code == 0, ran.err
    shapes = np.array([shapely.box(104, 30, 105, 31), shapely.from_wkb(boundary.wkb)])
    rows = json.loads(ran.out, parse_float=Decimal)["rows"]
    found = {row["zone"]: (row["count"], row["area_m2"]) for row in rows}
    assert found == _over_all(oracle.rows(shapes, ["框", "510100"]))
    assert all(f"{dataset}@{version}" in ran.err for dataset, version in boundary.cut.items())


def test_a_zone_too_large_for_a_request_is_asked_dataset_by_dataset(
    mesh: LocalMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    detailed = [shapely.segmentize(ZONES[1], 0.001)]
    with mesh.client("100000") as client:
        whole = client.overlay("landcover", detailed, names=["中部"], group_by=["igbp"])
        table = whole.table()
        monkeypatch.setattr("guotu.model.zones.MAX_BYTES_OF_A_SHAPE", 1000)
        large = client.overlay("landcover", detailed, names=["中部"], group_by=["igbp"])
        assert large.table().equals(table)
        question = Overlay("landcover", zones_of(["中部"], np.array(detailed)), ("igbp",))
        plan, unknown = client.explain(question)
        analysed, happened = client.explain(question, analyze=True)
    assert unknown is None
    assert happened is not None
    assert happened.digest == whole.digest
    for told in (plan, analysed):
        assert (told.merge, told.cut) == ("add up groups, by dataset", whole.cut)
    assert table.num_rows > 3
    assert (large.digest, large.cut) == (whole.digest, whole.cut)
    assert large.plan.merge == "add up groups, by dataset"
    assert {member.dataset: member.outcome for member in large.completeness.members} == {
        member.dataset: member.outcome for member in whole.completeness.members
    }


@pytest.mark.parametrize(("limit", "code"), [(1000, 3), (1 << 20, 0)])
def test_what_took_several_requests_is_proven_by_their_receipts(
    mesh: LocalMesh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, code: int
) -> None:
    """But for that the pieces of a large zone are the whole of it, which no node has seen."""
    zones = zones_of(NAMES, np.array([ZONES[0], shapely.segmentize(ZONES[1], 0.001), *ZONES[2:]]))
    monkeypatch.setattr("guotu.model.zones.MAX_ZONES", 1)
    monkeypatch.setattr("guotu.model.zones.MAX_BYTES_OF_A_SHAPE", limit)
    with mesh.client("100000") as client:
        question = Overlay("landcover", zones, ("igbp",), options=Options(receipt=True))
        file = saved("csv", tmp_path, client.frames(question))
    verified = run_guotu("receipt", "verify", file, "--json", node=mesh.address("100000"))
    assert verified.code == code, verified.out
    proven = {finding["what"]: finding["proven"] for finding in verified.json["findings"]}
    assert proven == {**dict.fromkeys(proven, True), "parts": True if code == 0 else None}


def _over_all(rows: Rows) -> dict[object, tuple[int, Decimal]]:
    sums: dict[object, tuple[int, Decimal]] = {}
    for (zone, _), (count, area) in rows.items():
        before = sums.get(zone, (0, Decimal(0)))
        sums[zone] = (before[0] + count, before[1] + area)
    return sums


def test_filters_levels_and_the_digest(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        first = client.overlay("landcover", ZONES, group_by=["province"], where="igbp = 13")
        again = client.overlay("landcover", ZONES, group_by=["province"], where="igbp = 13", cut=dict(first.cut))
        all_classes = client.overlay("landcover", ZONES, group_by=["province"])
        assert first.digest == again.digest != all_classes.digest
        assert {row["province"] for row in first.table().to_pylist()} == {"500000", "510000"}
        one = client.overlay("landcover", ZONES, group_by=["province"], dataset="510100/landcover", version=1)
        assert {row["province"] for row in one.table().to_pylist()} == {"510000"}
        assert dict(one.cut) == {"510100/landcover": 1}


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ({"group_by": ["nothing"]}, "nothing"),
        ({"group_by": ["zone"]}, "zone"),
        ({"where": "igbp ="}, "CQL2"),
        ({"cut": {"510100/landcover": 0}}, "cut"),
    ],
)
def test_what_cannot_be_asked(mesh: LocalMesh, question: dict[str, object], told: str) -> None:
    with mesh.client("100000") as client, pytest.raises((errors.InvalidInput, errors.NotFound), match=told):
        client.overlay("landcover", ZONES, **question).table()


def test_the_command_line(mesh: LocalMesh, tmp_path: Path, oracle: Oracle) -> None:
    """The zones come from a file in another reference system; what comes out is the same in every form."""
    frame = gpd.GeoDataFrame({"名称": NAMES, "备注": ["甲", "乙", "丙", "丁"]}, geometry=ZONES, crs="EPSG:4490")
    frame.to_file(tmp_path / "zones.gpkg", layer="分区")
    gpd.GeoDataFrame(frame.iloc[:1]).to_crs("EPSG:4544").to_file(tmp_path / "one.shp", encoding="GB18030")
    words = ["overlay", tmp_path / "zones.gpkg", "--zone-field", "名称", "--with", "landcover", "--group-by", "igbp"]
    address = mesh.address("100000")
    ran = run_guotu(*words, "--json", node=address)
    assert ran.code == 0, ran.err
    document = json.loads(ran.out, parse_float=Decimal)
    assert {(row["zone"], row["igbp"]): (row["count"], row["area_m2"]) for row in document["rows"]} == oracle.rows(
        ZONES, NAMES
    )
    table = run_guotu(*words, node=address)
    assert "公顷 ha" in table.out
    assert "占比 share" in table.out
    assert document["digest"] in table.out
    target = tmp_path / "out.parquet"
    assert run_guotu(*words, "-o", target, node=address).code == 0
    assert rows_of(pq.read_table(target), ("igbp",)) == oracle.rows(ZONES, NAMES)
    two = run_guotu("overlay", tmp_path / "one.shp", "--with", "landcover", "--with", "county", "--json", node=address)
    assert two.code == 0, two.err
    assert [part["collection"] for part in two.json] == ["landcover", "county"]
    assert [row["zone"] for part in two.json for row in part["rows"]] == ["1", "1"]


def test_all_faults_of_the_zones_are_told_at_once(mesh: LocalMesh, tmp_path: Path) -> None:
    bow = shapely.Polygon([(104, 30), (105, 31), (105, 30), (104, 31)])
    shapes = [ZONES[0], bow, None, shapely.Point(104, 30), ZONES[1]]
    frame = gpd.GeoDataFrame({"name": ["a", "b", "c", "d", "a"]}, geometry=shapes, crs="EPSG:4490")
    frame.to_file(tmp_path / "zones.gpkg")
    words = ["overlay", tmp_path / "zones.gpkg", "--zone-field", "name", "--with", "landcover", "--json"]
    ran = run_guotu(*words, node=mesh.address("100000"))
    assert (ran.code, ran.json["error"]["reason"]) == (2, "INVALID_QUESTION")
    detail = ran.json["error"]["facts"]["detail"]
    for told in (
        "no. 2 'b'",
        "not valid",
        "no. 3 'c'",
        "no shape",
        "no. 4 'd'",
        "a polygon",
        "no. 5 'a'",
        "named as no. 1",
    ):
        assert told in detail
