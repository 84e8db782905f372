"""Real nodes on four levels: behind one another, in two trees, and asked when those above them do not answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.mesh import LocalMesh
from tests.support.layers import squares
from tests.support.plots import FIELDS, catalogue, layer
from tests.support.small_mesh import eventually, run_guotu
from tests.support.version_mesh import ask, ask_fresh, operate, running_mesh

NATION, PROVINCE, SURVEY, CITY, COUNTY, HIDDEN = "100000", "510000", "510000-ch", "510100", "510104", "510105"
ROWS = {PROVINCE: 5, SURVEY: 7, CITY: 11, COUNTY: 13, HIDDEN: 17}
COUNT = ("stats", "plots", "--count", "--group-by", "DLBM", "--sum", "MJ")
LONG_LEASE = {"registry.lease_ttl_s": 300}
"""So that who is gone stands in the registry all the same."""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    folder = tmp_path_factory.mktemp("layers")
    special = {CITY: {"node.also_under": (SURVEY,)}, HIDDEN: {"node.reached_through": CITY}}
    with running_mesh([NATION, PROVINCE, SURVEY, COUNTY], LONG_LEASE, special) as made:
        define(made, folder)
        for node, rows in ROWS.items():
            publish(made, node, rows, folder)
        below = {NATION: 5, PROVINCE: 5, SURVEY: 4, CITY: 3}
        for node, count in below.items():
            eventually(lambda node=node, count=count: len(ask(made, node, "datasets")["datasets"]) == count)  # type: ignore[misc]
        yield made


def define(mesh: LocalMesh, folder: Path) -> None:
    path = folder / "catalogue.toml"
    path.write_text(catalogue("plots", FIELDS), encoding="utf-8")
    ran = run_guotu("catalogue", "apply", path, "--yes", config=mesh.config(NATION))
    assert ran.code == 0, ran.out + ran.err
    eventually(lambda: all(ask(mesh, node, "collections")["collections"] for node in mesh.nodes))


def publish(mesh: LocalMesh, node: str, rows: int, folder: Path) -> None:
    frame = layer(rows)
    frame["BSM"] = [f"{node[:6]}{number:012d}" for number in range(rows)]
    frame.geometry = squares(rows)
    path = folder / f"{node}.parquet"
    frame.to_parquet(path)
    operate(mesh, node, "publish", "plots", "--from", path, "--force-bounds")


def members(answer: Any) -> dict[str, Any]:
    found = [item for item in answer["completeness"]["members"] if item["outcome"] != "PRUNED"]
    assert len({item["dataset"] for item in found}) == len(found)
    return {item["node"]: item for item in found}


def total(answer: Any) -> int:
    return sum(int(row["count"]) for row in answer["rows"])


def check_counted(answer: Any, *missing: str) -> dict[str, Any]:
    """Every node but those is in the answer, once; returns the outcomes."""
    told = members(answer)
    assert {node for node, item in told.items() if item["outcome"] != "ANSWERED"} == set(missing)
    assert total(answer) == sum(ROWS[node] for node in told if node not in missing)
    return told


def is_whole(mesh: LocalMesh) -> bool:
    """Tell whether all answer the nation: it leaves who did not answer a moment ago alone for a while."""
    return run_guotu(*COUNT, node=mesh.address(NATION)).code == 0


def test_four_levels_answer_through_one_another(mesh: LocalMesh) -> None:
    told = check_counted(ask(mesh, NATION, *COUNT))
    assert {node: item["via"] for node, item in told.items()} == {
        PROVINCE: "", SURVEY: PROVINCE, CITY: PROVINCE, COUNTY: CITY, HIDDEN: CITY,
    }  # fmt: skip


def test_a_city_in_two_trees_is_reached_from_both(mesh: LocalMesh) -> None:
    told = check_counted(ask(mesh, SURVEY, *COUNT))
    assert set(told) == {SURVEY, CITY, COUNTY, HIDDEN}
    assert {item["dataset"][: -len("/plots")] for item in ask(mesh, SURVEY, "datasets")["datasets"]} == set(told)
    assert set(check_counted(ask(mesh, PROVINCE, *COUNT))) == set(ROWS)


def test_who_is_reached_through_another_is_asked_through_it(mesh: LocalMesh) -> None:
    answer = ask(mesh, NATION, "query", f"{HIDDEN}/plots", "--limit", "0")
    assert (answer["row_count"], members(answer)[HIDDEN]["via"]) == (ROWS[HIDDEN], CITY)
    (version,) = ask(mesh, NATION, "versions", f"{HIDDEN}/plots")["versions"]
    assert version["rows"] == ROWS[HIDDEN]
    nodes = {item["node"]: item for item in ask(mesh, NATION, "nodes")["nodes"]}
    assert (nodes[HIDDEN]["reached_through"], nodes[CITY]["also_under"]) == (CITY, [SURVEY])
    shown = run_guotu("nodes", node=mesh.address(NATION)).out
    assert "只经由" in shown


def test_a_province_that_is_registered_and_dead_is_passed_by(mesh: LocalMesh) -> None:
    mesh.kill(PROVINCE)
    try:
        told = check_counted(ask_fresh(mesh, NATION, *COUNT, "--partial", code=3), PROVINCE)
        assert (told[PROVINCE]["outcome"], told[PROVINCE]["reason"]) == ("UNREACHABLE", "NODE_UNAVAILABLE")
        ways = {node: (item["reason"], item["via"]) for node, item in told.items() if node != PROVINCE}
        assert ways == {
            SURVEY: ("BYPASSED", NATION),
            CITY: ("BYPASSED", NATION),
            COUNTY: ("BYPASSED", CITY),
            HIDDEN: ("BYPASSED", CITY),
        }
        plan = ask(mesh, NATION, "explain", *COUNT)["plan"]
        (step,) = [item for item in plan["steps"] if item["node"] == PROVINCE]
        assert (step["decision"], step["detour"]) == ("ASK", [SURVEY, CITY])
    finally:
        mesh.start_node(PROVINCE)
        eventually(lambda: is_whole(mesh))


def test_a_silent_province_is_passed_by_and_not_counted_twice_when_it_is_back(mesh: LocalMesh) -> None:
    mesh.pause(PROVINCE)
    try:
        told = check_counted(ask(mesh, NATION, "--timeout", "12", *COUNT, "--partial", code=3), PROVINCE)
        assert told[CITY]["reason"] == "BYPASSED"
    finally:
        mesh.resume(PROVINCE)
    eventually(lambda: is_whole(mesh))
    assert set(check_counted(ask(mesh, NATION, *COUNT))) == set(ROWS)


def test_behind_a_dead_city_one_county_is_asked_and_the_other_is_out_of_reach(mesh: LocalMesh) -> None:
    mesh.kill(CITY)
    try:
        for asked in (NATION, PROVINCE):
            told = check_counted(ask_fresh(mesh, asked, *COUNT, "--partial", code=3), CITY, HIDDEN)
            assert (told[HIDDEN]["outcome"], told[HIDDEN]["reason"]) == ("UNREACHABLE", "REACHED_THROUGH")
            assert CITY in told[HIDDEN]["detail"]
            assert told[COUNTY]["reason"] == "BYPASSED"
    finally:
        mesh.start_node(CITY)
        eventually(lambda: is_whole(mesh))
