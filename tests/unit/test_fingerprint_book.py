"""The book of fingerprints: what it keeps is whole or not there, and read only as it was written."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from node.fingerprints.binding import Binding, TableOptions
from node.fingerprints.book import Book

SCHEMA = pa.schema([("_key", pa.string()), ("_one", pa.int64()), ("_two", pa.int64())])
OPTIONS = TableOptions(
    "land.dltb", "dlbm LIKE '01%'", "geom", "bsm", (("mj", "TBMJ"), ("worker", "")), "EPSG:4490", True
)
BINDING = Binding(
    OPTIONS, False, 0.001, "land.dltb", (("BSM", "bsm", "character varying(18)"),), "15.4/3.3.2", "guotu 1", "ab" * 32
)
MANIFEST, SEEDS = "cd" * 32, (3, 2**62)


def write(book: Book, rows: int, *, keep: bool = True) -> None:
    with book.draft(SCHEMA) as draft:
        draft.begin()
        for number in range(rows):
            row = {"_key": [f"k{number}"], "_one": [1], "_two": [2]}
            draft.write(pa.record_batch(row, schema=SCHEMA))
        draft.finish()
        if keep:
            book.keep(draft, BINDING, MANIFEST, SEEDS)


def test_what_is_kept_is_read_as_it_was_written(tmp_path: Path) -> None:
    book = Book(tmp_path / "tables", "dltb")
    assert book.memory() is None
    write(book, 3)
    memory = book.memory()
    assert memory is not None
    assert (memory.binding, memory.manifest, memory.seeds, memory.rows) == (BINDING, MANIFEST, SEEDS, 3)
    with pa.memory_map(str(book.fingerprints(memory))) as mapped:
        assert pa.ipc.open_file(mapped).read_all()["_key"].to_pylist() == ["k0", "k1", "k2"]
    assert memory.holds(BINDING, MANIFEST)
    assert not memory.holds(BINDING, "ef" * 32)
    write(book, 5)
    files = [path for path in (tmp_path / "tables/dltb").iterdir() if path.is_file()]
    assert len(files) == 2
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


@pytest.mark.parametrize(
    "other",
    [
        {"force_bounds": True},
        {"columns": (("BSM", "bsm", "text"),)},
        {"server": "15.5/3.3.2"},
        {"definition": "00" * 32},
        {"options": TableOptions("land.dltb")},
    ],
)
def test_fingerprints_hold_only_for_what_they_are_bound_to(tmp_path: Path, other: dict[str, object]) -> None:
    book = Book(tmp_path, "dltb")
    write(book, 1)
    memory = book.memory()
    assert memory is not None
    names = BINDING.__dataclass_fields__
    changed = Binding(**{name: other.get(name, getattr(BINDING, name)) for name in names})  # type: ignore[arg-type]
    assert not memory.holds(changed, MANIFEST)


def test_a_draft_that_is_not_kept_leaves_nothing(tmp_path: Path) -> None:
    book = Book(tmp_path, "dltb")
    write(book, 2)
    before = book.memory()
    write(book, 9, keep=False)
    (tmp_path / "dltb/drafts/left-by-a-crash.tmp").write_bytes(b"x")
    write(book, 9, keep=False)
    assert list((tmp_path / "dltb/drafts").iterdir()) == []
    assert book.memory() == before


@pytest.mark.parametrize("page", [b"", b"{}", b'{"format": 1}', b"[1]", b"\xff"])
def test_a_page_that_is_none_counts_as_nothing_kept(tmp_path: Path, page: bytes) -> None:
    book = Book(tmp_path, "dltb")
    write(book, 1)
    (tmp_path / "dltb/memory.json").write_bytes(page)
    assert book.memory() is None


def test_a_page_of_another_format_counts_as_nothing_kept(tmp_path: Path) -> None:
    book = Book(tmp_path, "dltb")
    write(book, 1)
    path = tmp_path / "dltb/memory.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"format": 2}), encoding="utf-8")
    assert book.memory() is None
