"""Within a division's boundary, as the mesh itself holds it, and what is near of a place, through real processes."""

from __future__ import annotations

from pathlib import Path

import geopandas
import pyarrow.parquet as pq
import pytest
import shapely

from demo.mesh import LocalMesh
from guotu.model.answer import Outcome
from guotu.model.distance import Distances
from guotu.model.errors import UnknownBoundary
from tests.support.small_mesh import DATA, owner_of, run_guotu

COUNTIES = pq.read_table(DATA / "county.parquet").to_pylist()


def county_shapes(prefix: str) -> list[shapely.Geometry]:
    return [shapely.from_wkb(row["geometry"]) for row in COUNTIES if str(row["adcode"]).startswith(prefix)]


def test_a_boundary_comes_from_its_owner_at_a_version(mesh: LocalMesh) -> None:
    for asked in ("100000", "500000", "510100"):
        with mesh.client(asked) as client:
            found = client.boundary("成都市")
        assert (found.code, found.cut) == ("510100", {"510100/county": 1})
        assert shapely.equals(shapely.from_wkb(found.wkb), shapely.union_all(county_shapes("5101")))
    with mesh.client("500000") as client:
        assert client.boundary("510000").cut == {"510000/county": 1, "510100/county": 1}
        assert client.boundary("绵阳市").cut == {"510000/county": 1}
        with pytest.raises(UnknownBoundary, match="贵州省"):
            client.boundary("520000")


def test_questions_within_it_can_be_repeated(mesh: LocalMesh) -> None:
    rows = pq.read_table(DATA / "landcover_2019.parquet", columns=["bsm", "adcode", "geometry"]).to_pylist()
    held = [row for row in rows if owner_of(str(row["adcode"]))]
    chengdu = shapely.union_all(county_shapes("5101"))
    shapely.prepare(chengdu)
    inside = {row["bsm"] for row in held if shapely.contains(chengdu, shapely.from_wkb(row["geometry"]))}
    with mesh.client("100000") as client:
        answer = client.query("landcover", boundary="成都市", fields=["bsm"])
        assert set(answer.table()["bsm"].to_pylist()) == inside
        assert answer.cut["510100/county"] == 1
        again = client.query("landcover", boundary="510100", fields=["bsm"], cut=answer.cut)
        assert again.digest == answer.digest
        assert again.cut == answer.cut


def test_within_a_distance_in_metres(mesh: LocalMesh) -> None:
    rows = pq.read_table(DATA / "landcover_2019.parquet", columns=["bsm", "adcode", "geometry"]).to_pylist()
    held = [row for row in rows if owner_of(str(row["adcode"]))]
    shapes = shapely.from_wkb([row["geometry"] for row in held])
    metres = Distances(shapely.Point(105.3, 29.9)).of(shapes)
    near = {row["bsm"] for row, distance in zip(held, metres, strict=True) if distance <= 30_000}
    with mesh.client("100000") as client:
        answer = client.query("landcover", where="S_DWITHIN(geometry, POINT(105.3 29.9), 30000)", fields=["bsm"])
        assert set(answer.table()["bsm"].to_pylist()) == near
        outcomes = {member.dataset: member.outcome for member in answer.completeness.members}
        assert outcomes["510100/landcover"] is Outcome.PRUNED
        counted = client.stats("landcover", count=True, where="S_DWITHIN(geometry, POINT(105.3 29.9), 30000)")
        assert counted.table()["count"].to_pylist() == [len(near)]


def test_the_nearest_features(mesh: LocalMesh, tmp_path: Path) -> None:
    rows = pq.read_table(DATA / "landcover_2019.parquet", columns=["bsm", "adcode", "geometry"]).to_pylist()
    held = [row for row in rows if owner_of(str(row["adcode"]))]
    metres = Distances(shapely.Point(105.3, 29.9)).of(shapely.from_wkb([row["geometry"] for row in held]))
    every = sorted((float(far), row["bsm"]) for far, row in zip(metres, held, strict=True))
    with mesh.client("100000") as client:
        answer = client.nearest("landcover", (105.3, 29.9), 40, fields=["bsm"])
        found = [(row["distance_m"], row["bsm"]) for row in answer.table().to_pylist()]
        assert found == every[:40]
        close = client.nearest("landcover", (105.3, 29.9), 10_000, fields=["bsm"], max_distance=20_000)
        reasons = {member.dataset: member.reason for member in close.completeness.members}
        assert reasons["510100/landcover"] == "OUTSIDE_WINDOW"
        assert close.table().num_rows == sum(far <= 20_000 for far, _ in every)
        again = client.nearest("landcover", (105.3, 29.9), 40, fields=["bsm"], cut=answer.cut)
        assert again.digest == answer.digest
    at = mesh.nodes["100000"].address
    target = tmp_path / "near.gpkg"
    assert run_guotu("nearest", "landcover", "105.3", "29.9", "--k", "7", "-o", target, node=at).code == 0
    assert geopandas.read_file(target)["distance_m"].tolist() == [far for far, _ in every[:7]]
    explained = run_guotu("explain", "nearest", "landcover", "105.3", "29.9", "--analyze", node=at)
    assert "merge by distance" in explained.out
    assert "nearest to Point[105.3000, 29.9000" in explained.out


def test_the_command_line_says_where_it_is_from(mesh: LocalMesh) -> None:
    at = mesh.nodes["100000"].address
    ran = run_guotu("stats", "landcover", "--within-division", "成都市", "--count", "--json", node=at)
    assert ran.code == 0, ran.err
    assert ran.json["cut"]["510100/county"] == 1
    for more in ((), ("--analyze",)):
        explained = run_guotu("explain", "stats", "landcover", "--within-division", "510100", *more, node=at)
        assert "within 510100 四川省成都市 (510100/county@1)" in explained.out
    unknown = run_guotu("query", "landcover", "--within-division", "贵阳市", node=at)
    assert unknown.code == 5
    assert "xzq" in unknown.err
