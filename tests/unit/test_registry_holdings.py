from dataclasses import replace
from pathlib import Path

import pytest

from guotu.wire.records import dataset_to_bytes, node_to_bytes, replica_to_bytes
from registry.cache import Snapshot, load, save
from registry.etcd_values import Event, Header
from registry.holdings import Holdings
from registry.keys import collection_key, dataset_key, node_key, replica_key
from tests.support.records import dataset_record, node_record, replica_record


def dataset_event(node: str, version: int, revision: int) -> Event:
    record = dataset_record(node, "dltb", version)
    return Event(dataset_key(record.dataset), dataset_to_bytes(record), revision)


def replica_event(owner: str, holder: str, version: int, revision: int) -> Event:
    record = replica_record(f"{owner}/dltb", holder, version)
    return Event(replica_key(record.dataset, holder), replica_to_bytes(record), revision)


def version_of(holdings: Holdings, node: str) -> int:
    return holdings.datasets.view()["dltb"][f"{node}/dltb"].version


@pytest.fixture
def holdings() -> Holdings:
    return Holdings(hot_records=100)


def test_events_set_and_remove(holdings: Holdings) -> None:
    holdings.apply(Event(node_key("510000"), node_to_bytes(node_record("510000")), 5))
    holdings.apply(dataset_event("510000", 1, 6))
    assert holdings.nodes.view() == {"510000": node_record("510000")}
    assert holdings.datasets.view()["dltb"] == {"510000/dltb": dataset_record("510000", "dltb", 1)}
    holdings.apply(Event(node_key("510000"), None, 7))
    holdings.apply(Event(dataset_key("510000/dltb"), None, 8))
    assert len(holdings) == 0
    assert holdings.datasets.view() == {}


def test_what_is_older_changes_nothing(holdings: Holdings) -> None:
    holdings.apply(dataset_event("510000", 2, 10))
    holdings.apply(dataset_event("510000", 1, 9))
    holdings.apply(Event(dataset_key("510000/dltb"), None, 8))
    assert version_of(holdings, "510000") == 2


def test_a_read_does_not_bring_back_what_was_deleted_meanwhile(holdings: Holdings) -> None:
    holdings.apply(dataset_event("510000", 1, 5))
    holdings.begin_read(Header(1, 6), holdings.revision)
    holdings.apply(Event(dataset_key("510000/dltb"), None, 7))
    holdings.apply(dataset_event("510000", 1, 5))
    assert len(holdings) == 0
    holdings.end_read(6)
    holdings.apply(dataset_event("510000", 2, 8))
    assert version_of(holdings, "510000") == 2


def test_another_history_makes_revisions_void(holdings: Holdings) -> None:
    holdings.begin_read(Header(1, 50), holdings.revision)
    holdings.apply(dataset_event("510000", 1, 50))
    holdings.end_read(50)
    holdings.begin_read(Header(2, 3), holdings.revision)
    holdings.apply(dataset_event("510000", 4, 3))
    holdings.end_read(3)
    assert version_of(holdings, "510000") == 4
    assert (holdings.cluster, holdings.revision) == (2, 3)


def test_what_a_watch_brings_while_etcd_is_asked_is_no_other_history(holdings: Holdings) -> None:
    holdings.begin_read(Header(1, 5), holdings.revision)
    holdings.end_read(5)
    asked_at, header = holdings.revision, Header(1, 5)
    holdings.apply(dataset_event("510000", 1, 6))
    holdings.revision = 6
    holdings.begin_read(header, asked_at)
    assert holdings.datasets.revision("510000/dltb") == 6
    assert holdings.revision == 6
    assert holdings.continues(header, asked_at)
    assert not holdings.continues(header, holdings.revision)


def test_views_do_not_change(holdings: Holdings) -> None:
    holdings.apply(dataset_event("510000", 1, 1))
    before = holdings.datasets.view()
    shelf = before["dltb"]
    holdings.apply(dataset_event("510000", 2, 2))
    holdings.apply(dataset_event("510100", 1, 3))
    after = holdings.datasets.view()
    assert (len(shelf), shelf["510000/dltb"].version, before["dltb"]) == (1, 1, shelf)
    assert sorted(after["dltb"]) == ["510000/dltb", "510100/dltb"]
    assert after["dltb"]["510000/dltb"].version == 2
    holdings.begin_read(Header(7, 1), holdings.revision)
    assert after["dltb"]["510000/dltb"].version == 2


def test_records_forgotten_for_room_come_back() -> None:
    holdings = Holdings(hot_records=2)
    for number in range(5):
        holdings.apply(dataset_event(f"51{number}000", number + 1, number + 1))
    for _ in range(2):
        assert sorted(record.version for record in holdings.datasets.view()["dltb"].values()) == [1, 2, 3, 4, 5]


def test_ids_of_other_shelves_are_not_found(holdings: Holdings) -> None:
    holdings.apply(dataset_event("510000", 1, 1))
    shelf = holdings.datasets.view()["dltb"]
    for absent in ("510000/xzq", "510100/dltb", "dltb", ""):
        assert shelf.get(absent) is None


def test_replicas_are_found_by_dataset_and_holder(holdings: Holdings) -> None:
    for holder, version, revision in (("100000", 3, 1), ("510100", 2, 2), ("100000", 4, 3)):
        holdings.apply(replica_event("510000", holder, version, revision))
    holdings.apply(replica_event("500000", "100000", 7, 4))
    assert holdings.replicas.view() == {
        "510000/dltb": {
            "100000": replica_record("510000/dltb", "100000", 4),
            "510100": replica_record("510000/dltb", "510100", 2),
        },
        "500000/dltb": {"100000": replica_record("500000/dltb", "100000", 7)},
    }
    holdings.apply(Event(replica_key("500000/dltb", "100000"), None, 5))
    assert list(holdings.replicas.view()) == ["510000/dltb"]
    assert len(holdings) == len(holdings.replicas) == 2


def test_what_of_the_replicas_did_not_change_stays_the_same_object(holdings: Holdings) -> None:
    holdings.apply(replica_event("510000", "100000", 3, 1))
    holdings.apply(replica_event("500000", "100000", 3, 2))
    before = holdings.replicas.view()
    kept, seen = before["500000/dltb"], dict(before["510000/dltb"])
    holdings.apply(dataset_event("510000", 1, 3))
    assert holdings.replicas.view() is before
    holdings.apply(replica_event("510000", "100000", 4, 4))
    holdings.apply(Event(replica_key("510000/dltb", "520000"), None, 5))
    after = holdings.replicas.view()
    assert after["500000/dltb"] is kept
    assert (before["510000/dltb"], after["510000/dltb"]["100000"].version) == (seen, 4)


def test_a_replica_under_another_s_key_is_passed_over(holdings: Holdings) -> None:
    value = replica_to_bytes(replica_record("510000/dltb", "100000", 3))
    holdings.apply(Event(replica_key("510000/dltb", "520000"), value, 1))
    holdings.apply(Event(b"/guotu/v1/replicas/510000/dltb", value, 2))
    assert holdings.replicas.view() == {}


def test_unsound_values_and_strange_keys_are_passed_over(holdings: Holdings) -> None:
    holdings.apply(dataset_event("510000", 1, 1))
    holdings.apply(Event(dataset_key("510000/dltb"), b"\xff", 2))
    holdings.apply(Event(node_key("510000"), node_to_bytes(node_record("510100")), 3))
    holdings.apply(Event(b"/guotu/v1/datasets/\xff", b"", 4))
    holdings.apply(Event(b"/guotu/v1/elsewhere/x", b"", 5))
    assert version_of(holdings, "510000") == 1
    assert len(holdings) == 1


def full(holdings: Holdings) -> Snapshot:
    holdings.begin_read(Header(77, 9), holdings.revision)
    holdings.apply(Event(node_key("510000"), node_to_bytes(node_record("510000")), 5))
    holdings.apply(dataset_event("510000", 3, 6))
    holdings.apply(Event(collection_key("dltb"), b"definition", 7))
    holdings.apply(replica_event("500000", "510000", 2, 8))
    holdings.end_read(9)
    return Snapshot.of(holdings, 1_700_000_000_123)


def test_a_saved_directory_comes_back(holdings: Holdings, tmp_path: Path) -> None:
    snapshot = full(holdings)
    save(tmp_path / "directory", snapshot)
    loaded = Holdings(hot_records=100)
    assert load(tmp_path / "directory", loaded) == 1_700_000_000_123
    assert loaded.nodes.view() == snapshot.nodes
    assert loaded.collections.view() == snapshot.collections
    assert loaded.datasets.view() == snapshot.datasets
    assert loaded.replicas.view() == snapshot.replicas != {}
    assert loaded.datasets.revision("510000/dltb") == 6
    assert loaded.replicas.revision("500000/dltb/510000") == 0
    assert loaded.cluster == 77
    assert [path.name for path in tmp_path.iterdir()] == ["directory"]


def test_a_file_of_a_time_without_replicas_is_as_good(holdings: Holdings, tmp_path: Path) -> None:
    snapshot = full(holdings)
    save(tmp_path / "directory", replace(snapshot, replicas={}))
    lines, _, _ = (tmp_path / "directory").read_bytes().partition(b"\n")
    assert b'"format": 1' in lines
    loaded = Holdings(hot_records=100)
    assert load(tmp_path / "directory", loaded) == 1_700_000_000_123
    assert (loaded.nodes.view(), loaded.datasets.view(), loaded.replicas.view()) == (
        snapshot.nodes, snapshot.datasets, {},
    )  # fmt: skip


def test_a_damaged_file_is_as_good_as_none(holdings: Holdings, tmp_path: Path) -> None:
    path = tmp_path / "directory"
    save(path, full(holdings))
    data = path.read_bytes()
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        loaded = Holdings(hot_records=100)
        assert (load(path, loaded), len(loaded)) == (0, 0)
    for size in (0, 1, 40, len(data) - 1):
        path.write_bytes(data[:size])
        assert load(path, Holdings(hot_records=100)) == 0
    path.unlink()
    assert load(path, Holdings(hot_records=100)) == 0
