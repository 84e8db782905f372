"""Who stands below whom."""

from __future__ import annotations

import pytest

from federation.planning.topology import Topology
from tests.support.federation_parts import node

NATION, PROVINCE, CITY, COUNTY = "100000", "510000", "510100", "510104"
MUNICIPALITY, DISTRICT = "500000", "500101"


def topology(*names: str) -> Topology:
    return Topology({name: node(name) for name in names})


ALL = topology(NATION, PROVINCE, CITY, COUNTY, MUNICIPALITY, DISTRICT, "510000-ch", "510100-ly", "100000-ch")


@pytest.mark.parametrize(
    ("below", "above"),
    [
        (NATION, None),
        (PROVINCE, NATION),
        (CITY, PROVINCE),
        (COUNTY, CITY),
        (DISTRICT, MUNICIPALITY),
        ("510000-ch", PROVINCE),
        ("510100-ly", CITY),
        ("100000-ch", NATION),
        ("510199", CITY),
        ("469001", NATION),
    ],
)
def test_the_parent_is_the_nearest_registered_division_above(below: str, above: str | None) -> None:
    assert ALL.parent(below) == above


def test_a_missing_level_is_stepped_over() -> None:
    assert topology(NATION, PROVINCE, COUNTY).parent(COUNTY) == PROVINCE
    assert topology(NATION, COUNTY).parent(COUNTY) == NATION
    assert topology(CITY, COUNTY).parent(CITY) is None


def test_a_department_is_nobodys_parent() -> None:
    assert topology(NATION, "510000-ch", CITY).parent(CITY) == NATION


@pytest.mark.parametrize(
    ("root", "owner", "step"),
    [
        (NATION, COUNTY, PROVINCE),
        (NATION, CITY, PROVINCE),
        (NATION, PROVINCE, PROVINCE),
        (NATION, DISTRICT, MUNICIPALITY),
        (NATION, "510000-ch", PROVINCE),
        (NATION, "510100-ly", PROVINCE),
        (NATION, "100000-ch", "100000-ch"),
        (PROVINCE, COUNTY, CITY),
        (PROVINCE, CITY, CITY),
        (PROVINCE, "510000-ch", "510000-ch"),
        (PROVINCE, "510100-ly", CITY),
        (MUNICIPALITY, DISTRICT, DISTRICT),
        (CITY, COUNTY, COUNTY),
        (CITY, "510199", "510199"),
    ],
)
def test_the_step_is_the_child_through_which_an_owner_is_reached(root: str, owner: str, step: str) -> None:
    assert ALL.step(root, owner) == step


@pytest.mark.parametrize(
    ("root", "owner"),
    [
        (PROVINCE, PROVINCE),
        (PROVINCE, NATION),
        (PROVINCE, DISTRICT),
        (CITY, PROVINCE),
        (CITY, "510200"),
        (COUNTY, COUNTY),
        ("510000-ch", PROVINCE),
        ("510000-ch", CITY),
        ("510000-ch", "510000-ch"),
    ],
)
def test_what_is_not_below_has_no_step(root: str, owner: str) -> None:
    assert ALL.step(root, owner) is None


def test_a_dead_province_is_bypassed_and_only_its_own_data_are_missing() -> None:
    without = topology(NATION, CITY, COUNTY, "510000-ch")
    assert without.step(NATION, COUNTY) == CITY
    assert without.step(NATION, CITY) == CITY
    assert without.step(NATION, "510000-ch") == "510000-ch"
    assert without.step(NATION, PROVINCE) == PROVINCE


def test_a_dead_city_is_bypassed_through_its_province() -> None:
    without = topology(NATION, PROVINCE, COUNTY)
    assert without.step(NATION, COUNTY) == PROVINCE
    assert without.step(PROVINCE, COUNTY) == COUNTY


def test_an_owner_without_lease_is_still_looked_for_where_it_would_be() -> None:
    without = topology(NATION, PROVINCE)
    assert without.step(NATION, COUNTY) == PROVINCE
    assert without.step(PROVINCE, COUNTY) == COUNTY


def test_the_asking_node_itself_need_not_be_registered() -> None:
    """Its own lease may have lapsed; the tree below it stays as it is."""
    without = topology(NATION, CITY, COUNTY)
    assert without.step(PROVINCE, COUNTY) == CITY
    assert topology(CITY, COUNTY).step(NATION, COUNTY) == CITY


def test_steps_part_the_subtree() -> None:
    """Whatever is registered, each owner is reached through one child, and children do not overlap."""
    owners = [NATION, PROVINCE, CITY, COUNTY, MUNICIPALITY, DISTRICT, "510000-ch", "510100-ly", "510200", "510203"]
    for bits in range(2 ** len(owners)):
        registered = [owner for place, owner in enumerate(owners) if bits >> place & 1]
        tree = topology(*registered)
        for owner in owners[1:]:
            step = tree.step(NATION, owner)
            assert step is not None
            if step != owner:
                assert step in registered
                assert tree.step(step, owner) is not None
                assert tree.step(NATION, step) == step
