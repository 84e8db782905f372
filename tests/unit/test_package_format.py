"""The form of a package: what other programs read of it, and what its index may say."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import pytest

from guotu.model.errors import CorruptObject
from sync.canonical import canonical_json
from sync.package.archive import Member, ending, ending_size, header_size, local_header, size_in
from sync.package.index import Entry, PackageIndex, Slice, in_order, parse_index

HASH = "ab" * 32
MANIFEST = "cd" * 32
ENTRIES = (
    Entry(f"keys/510000-ch/{HASH}.pub", HASH, 32),
    Entry(f"manifests/{MANIFEST}.json", MANIFEST, 500),
    Entry(f"manifests/{MANIFEST}.sig", "ef" * 32, 64),
    Entry(f"definitions/{HASH}.json", "01" * 32, 300),
    Entry(f"objects/sha256/ab/{HASH}.parquet", HASH, 5 << 30 >> 1),
)
INDEX = PackageIndex("510000", 5, (Slice("510000/dltb", 3, 4, (MANIFEST,)),), ENTRIES)


def test_other_programs_read_the_archive(tmp_path: Path) -> None:
    contents = {"first.json": b"{}", "b/second.bin": os.urandom(70_000), "c": b""}
    members = [Member(name, len(data), zlib.crc32(data)) for name, data in contents.items()]
    written = b"".join(local_header(member) + contents[member.name] for member in members)
    end = ending(members)
    assert len(end) == ending_size(contents)
    path = tmp_path / "a.zip"
    path.write_bytes(written + end)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {item.filename: archive.read(item) for item in archive.infolist()} == contents
        assert {item.compress_type for item in archive.infolist()} == {zipfile.ZIP_STORED}
        places = [item.header_offset for item in archive.infolist()]
    assert places == [
        0,
        header_size("first.json") + 2,
        header_size("first.json") + header_size("b/second.bin") + 70_002,
    ]


def test_sizes_and_places_beyond_4_gib_are_told(tmp_path: Path) -> None:
    """Without writing such a file: only what stands around its holes, which cost no room on the disk."""
    members = [Member("large", 5 << 30, 1), Member("after", 1, zlib.crc32(b"x"))]
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        file.write(local_header(members[0]))
        file.seek(5 << 30, os.SEEK_CUR)
        file.write(local_header(members[1]) + b"x" + ending(members))
    with zipfile.ZipFile(path) as archive:
        assert [item.file_size for item in archive.infolist()] == [5 << 30, 1]
        assert archive.read("after") == b"x"
    assert size_in(local_header(members[0]), "large") == 5 << 30


def test_an_index_reads_back_as_it_was() -> None:
    assert parse_index(INDEX.to_bytes()) == INDEX
    assert parse_index(PackageIndex("510000", 0, (), ()).to_bytes()).entries == ()


def test_entries_have_one_order() -> None:
    assert in_order([*reversed(ENTRIES), ENTRIES[0]]) == ENTRIES
    with pytest.raises(ValueError, match="order"):
        PackageIndex("510000", 5, (), ENTRIES[::-1])
    with pytest.raises(ValueError, match="order"):
        PackageIndex("510000", 5, (), (ENTRIES[0], ENTRIES[0]))


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "heads/510000/dltb.json",
        f"objects/sha256/ab/../{HASH}.parquet",
        f"objects/sha256/aa/{HASH}.parquet",
        f"objects/sha256/ab/{HASH}.zip",
        f"keys/../{HASH}.pub",
        f"keys/510000/x/{HASH}.pub",
        f"manifests/{HASH.upper()}.json",
        f"definitions/{HASH}.json\n",
        "guotu-package.json",
        "",
        "x" * 100_000,
    ],
)
def test_no_other_names_are_taken(name: str) -> None:
    with pytest.raises(ValueError, match="not an entry"):
        PackageIndex("510000", 5, (), (Entry(name, HASH, 32),))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Entry(f"keys/510000/{HASH}.pub", HASH, 33), "bytes"),
        (Entry(f"manifests/{HASH}.sig", HASH, 63), "bytes"),
        (Entry(f"manifests/{HASH}.json", HASH, 17 << 20), "bytes"),
        (Entry(f"definitions/{HASH}.json", HASH, -1), "bytes"),
        (Entry(f"objects/sha256/ab/{HASH}.parquet", HASH, 5 << 30), "bytes"),
        (Entry(f"objects/sha256/ab/{HASH}.parquet", MANIFEST, 5), "another hash"),
        (Entry(f"manifests/{HASH}.json", MANIFEST, 5), "another hash"),
        (Entry(f"definitions/{HASH}.json", "no hash", 5), "not an entry"),
    ],
)
def test_sizes_and_hashes_are_bounded(entry: Entry, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PackageIndex("510000", 5, (), (entry,))


def test_all_documents_together_are_bounded() -> None:
    names = [f"{number:064x}" for number in range(17)]
    entries = tuple(Entry(f"manifests/{name}.json", name, 16 << 20) for name in names)
    assert len(PackageIndex("510000", 5, (), entries[:16]).entries) == 16
    with pytest.raises(ValueError, match="more than"):
        PackageIndex("510000", 5, (), entries)


@pytest.mark.parametrize(
    "item",
    [
        Slice("dltb", 0, 1, (MANIFEST,)),
        Slice("510000/dltb", 0, 0, ()),
        Slice("510000/dltb", 0, 1, (MANIFEST, HASH)),
        Slice("510000/dltb", 2, 4, (MANIFEST,)),
        Slice("510000/dltb", 4, 3, ()),
        Slice("510000/dltb", -1, 0, (MANIFEST,)),
        Slice("510000/dltb", 3, 4, ("x",)),
    ],
)
def test_numbers_and_manifests_of_a_dataset_must_agree(item: Slice) -> None:
    with pytest.raises(ValueError, match=r"510000/dltb|dataset"):
        PackageIndex("510000", 5, (item,), ())


def test_datasets_have_one_order() -> None:
    parts = tuple(Slice(f"510000/{name}", 3, 3, ()) for name in ("b", "a"))
    with pytest.raises(ValueError, match="order"):
        PackageIndex("510000", 5, parts, ())
    assert PackageIndex("510000", 5, parts[::-1], ()).datasets == parts[::-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2"),
        ({"format": True}, "format"),
        ({"exporter": "somebody"}, "exporter"),
        ({"created_ms": -1}, "exporter"),
        ({"created_ms": 1.5}, "created_ms"),
        ({"more": 1}, "fields"),
        ({"entries": {}}, "entries"),
        ({"entries": [[]]}, "fields"),
        ({"datasets": None}, "datasets"),
        ({"datasets": [{"dataset": "510000/dltb", "since": 3, "until": 4, "manifests": [1]}]}, "manifest"),
        ({"datasets": [{"dataset": "510000/dltb", "since": "3", "until": 4, "manifests": [MANIFEST]}]}, "since"),
        ({"datasets": [{"dataset": "510000/dltb", "since": 3, "until": 4, "manifests": MANIFEST}]}, "list"),
    ],
)
def test_an_index_of_another_form_is_refused(change: dict[str, object], message: str) -> None:
    document = {"format": 1, "exporter": "510000", "created_ms": 5, "datasets": [], "entries": []}
    assert parse_index(canonical_json(document)).exporter == "510000"
    with pytest.raises(CorruptObject, match=message):
        parse_index(canonical_json(document | change))


def test_only_canonical_json_is_an_index() -> None:
    with pytest.raises(CorruptObject, match="canonical"):
        parse_index(INDEX.to_bytes() + b"\n")
    with pytest.raises(CorruptObject, match="JSON"):
        parse_index(b"[" * 100_000)
