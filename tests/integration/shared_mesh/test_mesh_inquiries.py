"""Classes, quantiles and distinct values through real processes: as the files have them."""

from __future__ import annotations

import math

import numpy as np
import pyarrow.parquet as pq

from demo.mesh import LocalMesh
from tests.support.small_mesh import DATA, owner_of, run_guotu

ROWS = [
    row
    for row in pq.read_table(DATA / "landcover_2019.parquet", columns=["bsm", "adcode", "igbp", "area_m2"]).to_pylist()
    if owner_of(str(row["adcode"]))
]
AREAS = sorted(row["area_m2"] for row in ROWS)


def test_quantiles_are_values_of_the_file(mesh: LocalMesh) -> None:
    shares = (0.0, 0.1, 0.5, 0.999, 1.0)
    with mesh.client("100000") as client:
        answer = client.quantiles("landcover", "area_m2", shares)
        found = answer.table().to_pylist()
        assert answer.completeness.complete
        again = client.quantiles("landcover", "area_m2", shares, cut=answer.cut)
        assert again.digest == answer.digest
    ranks = [max(math.ceil(share * len(AREAS)), 1) for share in shares]
    assert [(row["rank"], row["value"]) for row in found] == [(rank, AREAS[rank - 1]) for rank in ranks]


def test_classes_hold_what_the_file_has(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        rows = client.histogram("landcover", "area_m2", 7, where="igbp <> 13").table().to_pylist()
    areas = np.array([row["area_m2"] for row in ROWS if row["igbp"] != 13])
    edges = np.array([rows[0]["low"], *(row["high"] for row in rows)])
    assert (edges[0], edges[-1], len(rows)) == (areas.min(), areas.max(), 7)
    assert [row["count"] for row in rows] == np.histogram(areas, edges)[0].tolist()


def test_the_command_line_shows_them(mesh: LocalMesh) -> None:
    at = mesh.nodes["100000"].address
    distinct = run_guotu("distinct", "landcover", "igbp", "--top", "3", "--json", node=at)
    counts: dict[int, int] = {}
    for row in ROWS:
        counts[row["igbp"]] = counts.get(row["igbp"], 0) + 1
    top = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]
    assert [(row["igbp"], row["count"]) for row in distinct.json["rows"]] == top
    shown = run_guotu("histogram", "landcover", "area_m2", "--bins", "3", node=at)
    assert shown.code == 0, shown.err
    explained = run_guotu("explain", "quantiles", "landcover", "area_m2", "--at", "0.5", "--analyze", node=at)
    assert "ever narrower classes" in explained.out


def test_an_estimate_costs_no_member(mesh: LocalMesh) -> None:
    at = mesh.nodes["100000"].address
    exact, rough = (run_guotu("count", "landcover", *more, "--json", node=at).json for more in ((), ("--estimate",)))
    assert exact["rows"] == [{"count": len(ROWS)}]
    assert [(row["estimate"], row["least"], row["most"]) for row in rough["rows"]] == [(len(ROWS),) * 3]
    assert rough["warnings"][0]["reason"] == "ESTIMATE"
    assert {member["reason"] for member in rough["completeness"]["members"]} == {"ESTIMATED"}
    analysed = run_guotu("explain", "count", "landcover", "--estimate", "--analyze", node=at)
    assert (analysed.code, "add up estimates" in analysed.out) == (0, True), analysed.err
    shown = run_guotu("count", "landcover", "--bbox", "103.9,30.5,104.2,30.8", "--estimate", node=at)
    assert (shown.code, "估计值" in shown.err + shown.out) == (0, True)
