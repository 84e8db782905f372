"""One dataset alone, asked of real processes: at its owner, through another node, at a version."""

from __future__ import annotations

import geopandas
import pytest
import shapely

from demo.mesh import LocalMesh
from guotu.model.answer import Outcome
from guotu.model.errors import InvalidQuestion, UnknownDataset
from node.cli.area import area_of
from tests.support.small_mesh import DATA, run_guotu

CHENGDU = "510100/landcover"


def test_owner_and_asker_give_the_same_rows_and_digest(mesh: LocalMesh) -> None:
    digests, rows = set(), set()
    for node in ("510100", "510000", "100000", "500000"):
        for version in (0, 1):
            with mesh.client(node) as client:
                answer = client.query("landcover", dataset=CHENGDU, version=version, fields=["bsm", "area_m2"])
                rows.add(tuple(answer.table()["bsm"].to_pylist()))
            (member,) = answer.completeness.members
            assert (member.dataset, member.outcome, member.version, member.via) == (CHENGDU, Outcome.ANSWERED, 1, "")
            assert [(part.dataset, part.version) for part in answer.trailer.segments] == [(CHENGDU, 1)]
            digests.add(answer.digest)
    assert (len(digests), len(rows)) == (1, 1)


def test_totals_of_one_dataset_are_those_of_its_rows(mesh: LocalMesh) -> None:
    counted = {}
    for node in ("510100", "100000"):
        ran = run_guotu("stats", CHENGDU, "--count", "--sum", "area_m2", "--json", node=mesh.address(node))
        assert ran.code == 0, ran.err
        counted[node] = (ran.json["rows"], ran.json["digest"])
    assert counted["510100"] == counted["100000"]
    with mesh.client("510100") as client:
        (record,) = [item for item in client.datasets("landcover", "self") if item.dataset == CHENGDU]
    assert counted["510100"][0][0]["count"] == record.rows


@pytest.mark.parametrize("node", ["510100", "100000"])
@pytest.mark.parametrize("partial", [[], ["--partial"]], ids=["strict", "partial"])
def test_a_version_that_is_not_retained_is_unknown(mesh: LocalMesh, node: str, partial: list[str]) -> None:
    for command in (["query", CHENGDU], ["stats", CHENGDU, "--count"]):
        ran = run_guotu(*command, "--version", "9", *partial, "--json", node=mesh.address(node))
        error = ran.json["error"]
        assert (ran.code, error["reason"]) == (5, "UNKNOWN_VERSION")
        assert error["facts"] == {"dataset": CHENGDU, "version": 9, "retained": " [1]"}


def test_a_dataset_that_is_nowhere_is_unknown(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client, pytest.raises(UnknownDataset):
        client.query("landcover", dataset="520000/landcover").table()
    with mesh.client("100000") as client, pytest.raises(UnknownDataset):
        client.query("landcover", dataset=CHENGDU, scope="self").table()
    with mesh.client("100000") as client, pytest.raises(InvalidQuestion):
        client.query("county", dataset=CHENGDU).table()


def test_explain_shows_one_step_to_the_owner(mesh: LocalMesh) -> None:
    ran = run_guotu("explain", "query", CHENGDU, "--version", "1", "--json", node=mesh.address("100000"))
    (step,) = ran.json["plan"]["steps"]
    assert (step["node"], step["decision"], step["cut"]) == ("510100", "ASK", {CHENGDU: 1})
    assert [below["decision"] for below in step["plan"]["steps"]] == ["LOCAL"]


def test_a_division_is_drawn_from_the_counties_of_the_mesh(mesh: LocalMesh) -> None:
    with mesh.client("510000") as client:
        area = area_of("510000", client)
    counties = geopandas.read_parquet(DATA / "county.parquet")
    whole = shapely.union_all(counties[counties.adcode.str.startswith("51")].geometry.values)
    assert area.name == "510000 四川省"
    assert shapely.symmetric_difference(shapely.from_wkb(area.wkb), whole).area < 1e-9
    with mesh.client("510100") as client, pytest.raises(InvalidQuestion, match=r"自贡|自流井"):
        area_of("510000", client)
