"""Addresses that the directory names no longer are forgotten, each time that its nodes become others."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from node.acquaintances import Acquaintances
from tests.support.federation_parts import FixedDirectory, dataset, node, view


def test_only_what_the_directory_names_is_kept() -> None:
    directory = FixedDirectory(view(["510000", "510100"], []))
    told: list[Set[str]] = []
    acquaintances = Acquaintances(directory, told.append, told.append)
    acquaintances.changed()
    assert not told
    moved = replace(node("510100"), address="510100:2")
    directory.present = view(["510000", moved], [])
    acquaintances.changed()
    assert told == [{"510000:1", "510100:2"}] * 2


def test_other_datasets_are_no_reason() -> None:
    directory = FixedDirectory(view(["510000"], []))
    told: list[Set[str]] = []
    acquaintances = Acquaintances(directory, told.append)
    directory.present = replace(directory.present, datasets={"dltb": {"510000/dltb": dataset("510000")}})
    acquaintances.changed()
    assert not told
