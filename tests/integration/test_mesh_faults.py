"""Faults of machines, through real processes that are really killed: marked, never a hang, never a silent gap."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from benchmarks.parcels import generate_county, read_counties
from demo.mesh import LocalMesh
from guotu.answering import Answer
from guotu.model import errors
from guotu.model.answer import Outcome
from tests.support.small_mesh import PATIENT, answers_whole, apply_catalogue, eventually, publish_part, run_guotu
from tests.support.version_mesh import hears


def node_names(mesh: LocalMesh, asked: str = "100000") -> set[str]:
    with mesh.client(asked) as client:
        return {record.node for record in client.nodes()}


def is_stale(mesh: LocalMesh, asked: str = "100000") -> bool:
    with mesh.client(asked) as client:
        return client.node().stale_registry


def fresh(ask: Callable[[], Answer]) -> Answer:
    """Ask until no registry was late to answer: on a busy machine that is told in place of what is so."""
    found: list[Answer] = []

    def is_fresh() -> bool:
        found.append(ask())
        outcomes = [member.outcome for member in found[-1].completeness.members]
        return not found[-1].completeness.stale_registry and Outcome.STALE_REGISTRY not in outcomes

    eventually(is_fresh)
    return found[-1]


def test_a_lost_node_is_marked_refused_and_comes_back_the_same(own_mesh: LocalMesh) -> None:
    mesh = own_mesh
    with mesh.client("100000") as client:
        before = client.stats("landcover", group_by=["igbp"], sum=["area_m2"])
        digest, cut = before.digest, dict(before.cut)
        mesh.kill("510100")
        with pytest.raises(errors.IncompleteAnswer) as refusal:
            client.stats("landcover", group_by=["igbp"], sum=["area_m2"], timeout=60).table()
        assert refusal.value.completeness is not None
        assert [member.dataset for member in refusal.value.completeness.missing] == ["510100/landcover"]
        partial = fresh(lambda: client.stats("landcover", group_by=["igbp"], sum=["area_m2"], partial=True))
        assert not partial.completeness.complete
        (lost,) = partial.completeness.missing
        assert (lost.dataset, lost.outcome) == ("510100/landcover", Outcome.UNREACHABLE)
        assert 0 < partial.completeness.rows_share < 1
        assert 0 < partial.completeness.territory_share < 1
        assert partial.digest != digest
        mesh.start_node("510100")
        eventually(lambda: answers_whole(mesh))
        again = client.stats("landcover", group_by=["igbp"], sum=["area_m2"])
        assert again.digest == digest
        assert dict(again.cut) == cut


def test_an_overlay_without_a_member_is_marked(own_mesh: LocalMesh) -> None:
    mesh, zones = own_mesh, shapely.box([103.9, 105.5], 30.4, [104.4, 106.5], 30.9)
    with mesh.client("100000") as client:
        before = client.overlay("landcover", zones, group_by=["igbp"])
        digest = before.digest
        mesh.kill("500000")
        with pytest.raises(errors.IncompleteAnswer):
            client.overlay("landcover", zones, group_by=["igbp"], timeout=60).table()
        partial = fresh(lambda: client.overlay("landcover", zones, group_by=["igbp"], partial=True))
        (lost,) = partial.completeness.missing
        assert (lost.dataset, lost.outcome) == ("500000/landcover", Outcome.UNREACHABLE)
        assert partial.digest != digest
        assert partial.table().num_rows > 0
        alone = client.overlay("landcover", zones[:1], group_by=["igbp"], timeout=60)
        assert alone.completeness.complete  # the member that is away has no part in it


def test_the_command_line_marks_partial_answers(own_mesh: LocalMesh, tmp_path: Path) -> None:
    mesh = own_mesh
    mesh.kill("510100")
    target = tmp_path / "out.geojson"
    address = mesh.address("100000")
    ran = run_guotu("query", "county", "--partial", "--format", "geojson", "-o", target, node=address)
    assert ran.code == 3
    assert "510100/county" in ran.err
    assert json.loads(target.read_text())["guotu"]["completeness"]["complete"] is False
    refused = run_guotu("query", "county", "--format", "geojson", "-o", tmp_path / "no.geojson", node=address)
    assert refused.code == 4
    assert "--partial" in refused.err
    assert not (tmp_path / "no.geojson").exists()


def test_nobody_answering_is_an_error(own_mesh: LocalMesh) -> None:
    mesh = own_mesh
    for node in ("510000", "510100", "500000"):
        mesh.kill(node)
    with mesh.client("100000") as client, pytest.raises(errors.NobodyAnswered):
        client.stats("landcover", partial=True, timeout=60).table()


def test_a_silent_node_costs_the_deadline_and_no_more(own_mesh: LocalMesh) -> None:
    mesh = own_mesh
    mesh.pause("500000")
    try:
        with mesh.client("100000") as client:
            answer = client.stats("landcover", partial=True, timeout=8.0)
            lost = {member.dataset: member.outcome for member in answer.completeness.missing}
        assert lost["500000/landcover"] in (Outcome.TIMED_OUT, Outcome.UNREACHABLE)
    finally:
        mesh.resume("500000")


@pytest.fixture(scope="module")
def parcels(breakable_mesh: LocalMesh, tmp_path_factory: pytest.TempPathFactory) -> int:
    """Publish more parcels at 510000 than buffers on the way can hold; return how many."""
    county = next(item for item in read_counties() if item.adcode == "513437")
    table = generate_county(county, 60_000, seed=1)
    path = tmp_path_factory.mktemp("parcels") / "dltb.parquet"
    gpd.GeoDataFrame.from_arrow(table).to_parquet(path)
    ran = run_guotu("publish", "dltb", "--from", path, "--json", config=breakable_mesh.config("510000"))
    assert ran.code == 0, ran.out + ran.err
    hears(breakable_mesh, "510000/dltb", 1)
    return int(table.num_rows)


@pytest.mark.parametrize("partial", [True, False])
def test_a_node_killed_in_mid_stream_is_marked(own_mesh: LocalMesh, parcels: int, partial: bool) -> None:
    """The nation passes the rows of a province on; the province dies after the first of them."""
    with own_mesh.client("100000") as client:
        answer = client.query("dltb", partial=partial, timeout=60)
        rows = answer.batches()
        seen = next(rows).rows.num_rows
        own_mesh.kill("510000")
        with pytest.raises((errors.NobodyAnswered, errors.IncompleteAnswer)) as failure:
            seen += sum(batch.rows.num_rows for batch in rows)
    assert 0 < seen < parcels
    assert failure.value.completeness is not None
    (lost,) = failure.value.completeness.missing
    assert (lost.dataset, lost.outcome, lost.truncated) == ("510000/dltb", Outcome.FAILED, True)


def test_etcd_lost_and_found_again(own_mesh: LocalMesh) -> None:
    mesh = own_mesh
    with mesh.client("100000") as client:
        digest = client.stats("landcover", group_by=["igbp"]).digest
        mesh.kill_etcd()
        eventually(lambda: is_stale(mesh))
        answer = client.stats("landcover", group_by=["igbp"])
        assert answer.digest == digest
        assert answer.completeness.complete
        assert answer.completeness.stale_registry
        assert "STALE_REGISTRY" in [warning.reason for warning in answer.warnings]
        mesh.kill("500000")
        partial = client.stats("landcover", group_by=["igbp"], partial=True, timeout=60)
        (lost,) = partial.completeness.missing
        assert lost.outcome is Outcome.STALE_REGISTRY
        mesh.start_etcd()
        eventually(lambda: not is_stale(mesh))
        mesh.start_node("500000")
        eventually(lambda: answers_whole(mesh))
        assert fresh(lambda: client.stats("landcover", group_by=["igbp"])).digest == digest


def test_a_restarted_node_has_its_versions(own_mesh: LocalMesh) -> None:
    mesh = own_mesh
    with mesh.client("510100") as client:
        before = client.versions("510100/county")
        mesh.kill("510100")
        mesh.start_node("510100")
        assert client.versions("510100/county") == before
        assert client.query("county", scope="self").table().num_rows == before[0].rows


def test_etcd_absent_at_start_waits_and_then_tells(short_root: Path) -> None:
    mesh = LocalMesh(short_root, ["510000"], {"registry.wait_s": 2})
    started = time.monotonic()
    ran = run_guotu("node", "serve", config=mesh.config("510000"))
    assert ran.code == 6
    assert time.monotonic() - started >= 2
    assert "waiting" in ran.err
    assert "registry.endpoints" in ran.err
    mesh.close()


def test_the_second_claimant_of_an_id_refuses_to_start(short_root: Path) -> None:
    with LocalMesh(short_root, ["510000"], PATIENT) as mesh:
        mesh.start()
        mesh.add("510000", name="rival", overrides={"registry.lease_ttl_s": 2})  # for which it waits
        ran = run_guotu("node", "serve", config=mesh.config("rival"))
        assert ran.code == 8
        assert mesh.address("510000") in ran.err
        assert node_names(mesh, "510000") == {"510000"}


def test_a_data_directory_serves_one_process(short_root: Path) -> None:
    with LocalMesh(short_root, ["510000"]) as mesh:
        mesh.start()
        ran = run_guotu("node", "serve", config=mesh.config("510000"))
        assert ran.code == 8
        assert "data" in ran.err


def test_a_new_node_is_seen_at_once(own_mesh: LocalMesh) -> None:
    mesh = own_mesh
    mesh.add("520000")
    mesh.start_node("520000")
    # Far sooner than the directory is read in full the next time.
    eventually(lambda: "520000" in node_names(mesh), seconds=30.0)


def test_a_failed_publish_changes_nothing(own_mesh: LocalMesh, tmp_path: Path) -> None:
    mesh = own_mesh
    with mesh.client("510100") as client:
        before = client.versions("510100/county")
        broken = tmp_path / "broken.geojson"
        broken.write_text('{"type": "FeatureCollection", "features": []}')
        ran = run_guotu("publish", "county", "--from", broken, "--json", config=mesh.config("510100"))
        assert ran.code == 2
        assert client.versions("510100/county") == before


def test_publishing_the_same_again_makes_no_version(own_mesh: LocalMesh, tmp_path: Path) -> None:
    mesh = own_mesh
    result = publish_part(mesh, "510100", "county", "county.parquet", tmp_path)
    assert result["published"] is False
    with mesh.client("510100") as client:
        assert [info.version for info in client.versions("510100/county")] == [1]


def test_the_catalogue_can_be_applied_again(own_mesh: LocalMesh) -> None:
    apply_catalogue(own_mesh)
    assert "landcover" in run_guotu("collections", node=own_mesh.address("500000")).out


def circuits(mesh: LocalMesh, node: str) -> str:
    """Return what a node's metrics tell of the members that it asked."""
    with urllib.request.urlopen(f"http://{mesh.nodes[node].metrics_address}/metrics", timeout=60) as answer:
        return "".join(line for line in answer.read().decode().splitlines() if line.startswith("guotu_member_circuit{"))


def test_sigterm_ends_a_node_whole_and_those_that_asked_it_forget_it(own_mesh: LocalMesh) -> None:
    mesh = own_mesh

    def asked() -> bool:
        run_guotu("count", "landcover", node=mesh.address("100000"))
        return "500000" in circuits(mesh, "100000")

    eventually(asked)
    assert mesh.stop("500000") == 0
    eventually(lambda: "500000" not in node_names(mesh))
    eventually(lambda: "500000" not in circuits(mesh, "100000"))
