"""Holdings: own datasets by collection, whole replicas by dataset; what a reader has in hand does not change."""

from __future__ import annotations

from dataclasses import replace

from node.holdings import Holdings
from tests.support.records import dataset_record

OWN = dataset_record("100000", "dltb", 2)
SICHUAN = dataset_record("510000", "dltb", 3)
CHONGQING = dataset_record("500000", "dltb", 1)


def test_own_datasets_and_replicas_are_kept_apart() -> None:
    holdings = Holdings("100000")
    holdings.load([OWN], [SICHUAN, CHONGQING])
    assert holdings.records() == {"dltb": OWN}
    assert holdings.replicas() == {"510000/dltb": SICHUAN, "500000/dltb": CHONGQING}
    holdings.load([OWN])
    assert holdings.replicas() == {}


def test_replicas_come_move_and_go_without_a_reader_seeing_it() -> None:
    holdings = Holdings("100000")
    before = holdings.replicas()
    holdings.put_replica(SICHUAN)
    first = holdings.replicas()
    holdings.put_replica(replace(SICHUAN, version=4))
    holdings.put_replica(CHONGQING)
    assert (before, first) == ({}, {"510000/dltb": SICHUAN})
    assert holdings.replicas()["510000/dltb"].version == 4
    holdings.drop_replica("510000/dltb")
    holdings.drop_replica("510000/dltb")
    assert holdings.replicas() == {"500000/dltb": CHONGQING}
    assert holdings.records() == {}
