from dataclasses import replace

import pytest

from guotu.model.records import DatasetRecord, NodeRecord, ReplicaRecord
from guotu.wire.records import (
    collection_from_bytes,
    collection_to_bytes,
    dataset_from_bytes,
    dataset_to_bytes,
    node_from_bytes,
    node_to_bytes,
    replica_from_bytes,
    replica_to_bytes,
)
from registry.catalogue import national_catalogue_path, parse_catalogue
from registry.keys import collection_key, dataset_key, node_key, prefix_end, replica_key
from tests.support.records import dataset_record, node_record, replica_record

NODE = NodeRecord(
    "510000-ch", "四川省测绘院", "10.0.0.1:7000", "i-1", "0.1.0", 17, b"k" * 32, "postgis", "10.0.0.1:9", True
)


def test_a_node_record_comes_back() -> None:
    assert node_from_bytes(node_to_bytes(NODE)) == NODE


@pytest.mark.parametrize("extent", [True, False])
def test_a_dataset_record_comes_back(extent: bool) -> None:
    record = dataset_record("510000", "dltb", 3)
    record = record if extent else replace(record, extent=None, coverage_wkb=b"", territory_m2=0.0)
    assert dataset_from_bytes(dataset_to_bytes(record)) == record


@pytest.mark.parametrize("whole", [True, False])
def test_a_replica_record_comes_back(whole: bool) -> None:
    record = replica_record("510000-ch/dltb", "100000", 3, whole)
    assert replica_from_bytes(replica_to_bytes(record)) == record
    assert replica_from_bytes(replica_to_bytes(ReplicaRecord("510000/dltb", "100000", 0))).version == 0


@pytest.mark.parametrize(
    "record",
    [
        replica_record("510000", "100000", 1),
        replica_record("510000/dltb", "beijing", 1),
        replica_record("510000/dltb", "100000", -1),
    ],
)
def test_a_replica_record_that_cannot_be_is_not_sound(record: ReplicaRecord) -> None:
    with pytest.raises(ValueError, match=r"id|version"):
        replica_from_bytes(replica_to_bytes(record))


def test_collections_come_back() -> None:
    for collection in parse_catalogue(national_catalogue_path()).collections:
        assert collection_from_bytes(collection_to_bytes(collection)) == collection


@pytest.mark.parametrize(
    "record",
    [
        replace(dataset_record("510000", "dltb", 1), node="510100"),
        replace(dataset_record("510000", "dltb", 1), collection="xzq"),
        replace(dataset_record("510000", "dltb", 1), dataset="sichuan/dltb"),
    ],
)
def test_a_dataset_record_whose_ids_disagree_is_not_sound(record: DatasetRecord) -> None:
    with pytest.raises(ValueError, match="dataset"):
        dataset_from_bytes(dataset_to_bytes(record))


def test_bytes_that_are_no_record_are_a_value_error() -> None:
    for decode in (node_from_bytes, dataset_from_bytes, collection_from_bytes, replica_from_bytes):
        for data in (b"", b"\xff\xff\xff", b"not protobuf at all"):
            with pytest.raises(ValueError):  # noqa: PT011 - the message depends on the bytes
                decode(data)


def test_a_node_id_must_be_one() -> None:
    with pytest.raises(ValueError, match="node id"):
        node_from_bytes(node_to_bytes(node_record("sichuan")))


def test_keys_stand_under_one_root() -> None:
    assert node_key("510000-ch") == b"/guotu/v1/nodes/510000-ch"
    assert dataset_key("510000/dltb") == b"/guotu/v1/datasets/510000/dltb"
    assert collection_key("dltb") == b"/guotu/v1/collections/dltb"
    assert prefix_end(b"/guotu/v1/nodes/") == b"/guotu/v1/nodes0"
    assert replica_key("510000/dltb", "100000") == b"/guotu/v1/replicas/510000/dltb/100000"
    with pytest.raises(ValueError, match="dataset id"):
        dataset_key("510000")
    with pytest.raises(ValueError, match="dataset id"):
        replica_key("510000", "100000")
    with pytest.raises(ValueError, match="node id"):
        replica_key("510000/dltb", "beijing")
