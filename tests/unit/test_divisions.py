"""Codes that no division has are refused, with those that may have been meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federation.boundaries import Boundaries
from guotu.model.errors import UnknownDivision
from guotu.model.question import Options, Selection
from registry.gazetteer import Gazetteer
from tests.support.federation_parts import FixedDirectory, dataset, view
from tests.support.scripted_mesh import ANY_QUESTION, Make, Mesh, three

FIND = Gazetteer.load().find


def boundaries(nodes: tuple[str, ...] = (), owners: tuple[str, ...] = ()) -> Boundaries:
    return Boundaries(FixedDirectory(view(nodes, [dataset(owner) for owner in owners])), FIND)


@pytest.mark.parametrize("code", ["100000", "510000", "510100", "510104", "419001", "820000"])
def test_divisions_of_the_gazetteer_are_known(code: str) -> None:
    boundaries().require(code)


@pytest.mark.parametrize(
    ("code", "near", "prefix"),
    [
        ("510102", "510104 四川省成都市锦江区, 510105 四川省成都市青羊区, ", "510102"),
        ("519900", "511800 四川省雅安市, 511900 四川省巴中市, ", "5199"),
        ("170000", "120000 天津市, 130000 河北省, 140000 山西省, 150000 内蒙古自治区, ", "17"),
        ("990101", "810114 香港特别行政区沙田区, ", "990101"),
    ],
)
def test_the_nearest_codes_are_named(code: str, near: str, prefix: str) -> None:
    with pytest.raises(UnknownDivision) as raised:
        boundaries().require(code)
    assert str(raised.value.facts["near"]).startswith(near)
    assert f"'{prefix}%'" in raised.value.message


def test_codes_of_nodes_are_known_though_the_gazetteer_does_not_have_them() -> None:
    with pytest.raises(UnknownDivision):
        boundaries(("510000",)).require("510171")
    boundaries(("510171-kf",)).require("510171")
    boundaries(owners=("519901",)).require("519900")


@ANY_QUESTION
async def test_only_who_is_asked_first_refuses_a_code(make: Make) -> None:
    question = replace(make(Options()), selection=Selection(division="990000"))
    members = three()
    heard = await Mesh(*members).ask(question)
    assert isinstance(heard.failure, UnknownDivision)
    assert not any(member.asked for member in members)
    relayed = replace(question, options=Options(relayed=True))
    assert (await Mesh(*three()).ask(relayed)).failure is None
