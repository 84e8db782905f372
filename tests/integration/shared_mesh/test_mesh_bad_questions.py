"""Bad questions, through real processes: each is refused with its reason, its place and its remedy."""

from __future__ import annotations

import grpc
import pytest
import shapely

from demo.mesh import LocalMesh
from guotu.model import errors
from guotu.v1 import common_pb2, query_pb2, query_pb2_grpc
from tests.support.small_mesh import run_guotu


def test_unknown_collection(mesh: LocalMesh) -> None:
    ran = run_guotu("query", "nowhere", node=mesh.address("100000"))
    assert ran.code == 5
    assert "nowhere" in ran.err
    assert "guotu collections" in ran.err


def test_unknown_field_names_the_fields_there_are(mesh: LocalMesh) -> None:
    ran = run_guotu("query", "landcover", "--where", "dlbm = '01'", node=mesh.address("100000"))
    assert ran.code == 5
    assert "dlbm" in ran.err
    assert "igbp_name" in ran.err


def test_unknown_node_of_a_dataset(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client, pytest.raises(errors.UnknownNode):
        client.versions("530000/landcover")


def test_nobody_at_the_address() -> None:
    ran = run_guotu("nodes", node="127.0.0.1:1")
    assert ran.code == 6
    assert "127.0.0.1:1" in ran.err


@pytest.mark.parametrize(
    ("where", "place"),
    [("igbp == 13", "column 7"), ("igbp = ", "column"), ("igbp = 'thirteen'", "igbp"), ("bsm > 5", "bsm")],
)
def test_a_filter_that_is_wrong_says_where(mesh: LocalMesh, where: str, place: str) -> None:
    ran = run_guotu("query", "landcover", "--where", where, node=mesh.address("100000"))
    assert ran.code == 2
    assert place in ran.err


def test_hostile_nesting_does_not_end_the_node(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        for where in ("(" * 5000 + "igbp = 1" + ")" * 5000, " AND ".join(["igbp = 1"] * 20_000)):
            with pytest.raises(errors.InvalidFilter):
                client.query("landcover", where=where)
        assert client.stats("landcover").table().num_rows == 1


def test_a_window_outside_every_member_is_a_whole_empty_answer(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        answer = client.query("landcover", bbox=(120.0, 30.0, 121.0, 31.0))
        assert answer.table().num_rows == 0
        assert answer.completeness.complete
        assert {member.outcome.value for member in answer.completeness.members} == {"PRUNED"}


@pytest.mark.parametrize("limit", [-1, 10**15])
def test_absurd_limits(mesh: LocalMesh, limit: int) -> None:
    with mesh.client("100000") as client, pytest.raises(errors.InvalidQuestion, match="limit"):
        client.query("landcover", limit=limit)


def test_swapped_bbox_is_told(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client, pytest.raises(errors.InvalidQuestion, match="longitude first"):
        client.query("landcover", bbox=(30.0, 103.0, 31.0, 104.0))


def test_an_expired_deadline(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client, pytest.raises((errors.DeadlineExceeded, errors.Incomplete)):
        client.query("landcover", timeout=0.001).table()


def test_a_polygon_that_is_too_large(mesh: LocalMesh) -> None:
    ring = [(104 + i * 1e-6, 30 + (i % 2) * 1e-3) for i in range(90_000)]
    huge = shapely.Polygon([*ring, (104.5, 29.0)])
    with mesh.client("100000") as client, pytest.raises(errors.TooLarge):
        client.query("landcover", within=huge)


def test_a_message_beyond_the_transport_limit(mesh: LocalMesh) -> None:
    request = query_pb2.QueryRequest(
        collection="landcover",
        selection=query_pb2.Selection(within_wkb=bytes(37 << 20)),
        options=query_pb2.QuestionOptions(scope=common_pb2.SCOPE_SUBTREE),
    )
    with grpc.insecure_channel(mesh.address("100000")) as channel:
        call = query_pb2_grpc.QueryServiceStub(channel).Query(request, timeout=120)
        with pytest.raises(grpc.RpcError) as failure:
            list(call)
    assert failure.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_unknown_version_and_bad_cut(mesh: LocalMesh) -> None:
    with mesh.client("510100") as client:
        with pytest.raises(errors.VersionGone, match=r"510100/county@99 \[1\]"):
            client.query("county", cut={"510100/county": 99}).table()
        with pytest.raises(errors.InvalidQuestion, match="cut"):
            client.query("county", cut={"not a dataset": 1})


def test_a_code_that_no_division_has_is_not_answered_with_no_rows(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client:
        with pytest.raises(errors.UnknownDivision, match=r"510102.*510104 四川省成都市锦江区"):
            client.query("county", division="510102")
        assert client.query("county", division="650000").table().num_rows == 0


def test_geometry_questions_of_a_table_without_geometry(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client, pytest.raises(errors.InvalidQuestion, match="no geometry"):
        client.query("rk", bbox=(103, 30, 104, 31))


def test_stats_of_text(mesh: LocalMesh) -> None:
    with mesh.client("100000") as client, pytest.raises(errors.InvalidQuestion, match="needs a number"):
        client.stats("landcover", sum=["igbp_name"])
