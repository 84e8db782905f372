import dataclasses
import json
from collections.abc import Callable

import pytest

from guotu.model.errors import CorruptObject
from guotu.model.records import Change, Extent
from sync.canonical import canonical_json
from sync.definition import definition_hash
from sync.manifest import BLOCK_BYTES, Manifest, ObjectRef, is_manifest_name, parse_manifest
from tests.support.sync_samples import PARCELS

EXTENT = Extent(103.5, 30.0, 104.25, 31.125)
MANIFEST = Manifest(
    dataset="510000/dltb",
    version=2,
    series=1,
    base=True,
    parent="1" * 64,
    collection="dltb",
    definition="2" * 64,
    crs="EPSG:4490",
    rows=3,
    extent=EXTENT,
    coverage="0103",
    territory_m2=1234.5,
    objects=(
        ObjectRef("base", "objects/sha256/33/a.parquet", "3" * 64, BLOCK_BYTES + 1, 2, EXTENT, ("6" * 64, "7" * 64)),
        ObjectRef("delta", "objects/sha256/44/b.parquet", "4" * 64, 50, 1, None, ("4" * 64,)),
        ObjectRef("base", "objects/sha256/88/c.parquet", "8" * 64, 50, 1, None, ("8" * 64,)),
    ),
    change=Change(inserts=1, inserted_m2=0.25),
    digest="5" * 64,
    publisher="510000",
    published_ms=1_770_000_000_000,
    message="年度变更",
    source="变更.gdb",
    source_date="2025-12-31",
    write_id="w-1",
    notes={"repaired": 3, "bounds": "forced"},
)
WRITTEN = (
    '{"base":true,"change":{"deleted_m2":0.0,"deletes":0,"inserted_m2":0.25,"inserts":1,"updated_after_m2":0.0,'
    '"updated_before_m2":0.0,"updates":0},"collection":"dltb","coverage":"0103","crs":"EPSG:4490",'
    f'"dataset":"510000/dltb","definition":"{"2" * 64}","digest":"{"5" * 64}",'
    '"extent":[103.5,30.0,104.25,31.125],"format":2,'
    '"message":"年度变更","notes":{"bounds":"forced","repaired":3},"objects":['
    f'{{"blocks":["{"6" * 64}","{"7" * 64}"],"extent":[103.5,30.0,104.25,31.125],'
    '"key":"objects/sha256/33/a.parquet","kind":"base","rows":2,'
    f'"sha256":"{"3" * 64}","size_bytes":4194305}},'
    f'{{"blocks":["{"4" * 64}"],"extent":null,"key":"objects/sha256/44/b.parquet","kind":"delta","rows":1,'
    f'"sha256":"{"4" * 64}","size_bytes":50}},'
    f'{{"blocks":["{"8" * 64}"],"extent":null,"key":"objects/sha256/88/c.parquet","kind":"base","rows":1,'
    f'"sha256":"{"8" * 64}","size_bytes":50}}],"parent":"{"1" * 64}","published_ms":1770000000000,'
    '"publisher":"510000","rows":3,"series":1,"source":"变更.gdb","source_date":"2025-12-31","territory_m2":1234.5,'
    '"version":2,"write_id":"w-1"}'
)


def test_written_form() -> None:
    assert MANIFEST.to_bytes().decode() == WRITTEN


def test_name_is_stable() -> None:
    assert MANIFEST.name == "7e4671b4e1b8a79b1afb09a200d922b7eca413b83f95bd8982bd9e830913ffea"


def test_names() -> None:
    assert is_manifest_name(MANIFEST.name)
    assert not any(map(is_manifest_name, ("", "a" * 63, "A" * 64, "../" + "a" * 61)))


def test_objects_by_kind() -> None:
    assert [item.rows for item in MANIFEST.bases] == [2, 1]
    assert [item.name for item in MANIFEST.deltas] == [f"delta {'4' * 12}"]


def test_read_is_the_inverse_of_write() -> None:
    assert parse_manifest(MANIFEST.to_bytes()) == MANIFEST
    bare = dataclasses.replace(
        MANIFEST, version=1, parent="", extent=None, coverage="", territory_m2=0.0, objects=(), rows=0, notes={},
        change=None,
    )  # fmt: skip
    assert parse_manifest(bare.to_bytes()) == bare
    only_delta = dataclasses.replace(MANIFEST, base=False, objects=MANIFEST.deltas, rows=70)
    assert parse_manifest(only_delta.to_bytes()) == only_delta


Edit = Callable[[dict[str, object]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: doc.pop("digest"),
        lambda doc: doc.update(more=1),
        lambda doc: doc.update(format=1),
        lambda doc: doc.update(series=0),
        lambda doc: doc.update(base=1),
        lambda doc: doc.update(base=False),
        lambda doc: doc.update(change={}),
        lambda doc: doc["change"].update(inserts=1.0),
        lambda doc: doc["change"].update(inserted_m2=1),
        lambda doc: doc.update(source_date=None),
        lambda doc: doc["objects"][0].update(blocks=["6" * 64]),
        lambda doc: doc["objects"][0].update(blocks=["6" * 64, "7" * 63]),
        lambda doc: doc["objects"][0].update(blocks=["6" * 64, 7]),
        lambda doc: doc["objects"][0].pop("blocks"),
        lambda doc: doc.update(version=0),
        lambda doc: doc.update(version=1),
        lambda doc: doc.update(version=True),
        lambda doc: doc.update(version=2.0),
        lambda doc: doc.update(version="2"),
        lambda doc: doc.update(parent=""),
        lambda doc: doc.update(parent="xyz"),
        lambda doc: doc.update(dataset="510000"),
        lambda doc: doc.update(dataset="510000/xzq"),
        lambda doc: doc.update(publisher="me"),
        lambda doc: doc.update(digest="5" * 63),
        lambda doc: doc.update(definition="A" * 64),
        lambda doc: doc.update(coverage="01 03"),
        lambda doc: doc.update(rows=4),
        lambda doc: doc.update(rows=-3),
        lambda doc: doc.update(published_ms=-1),
        lambda doc: doc.update(territory_m2=1234),
        lambda doc: doc.update(extent=[103.5, 30.0, 104.25]),
        lambda doc: doc.update(extent=[103, 30.0, 104.25, 31.125]),
        lambda doc: doc.update(extent="everywhere"),
        lambda doc: doc.update(objects={}),
        lambda doc: doc.update(objects=["a"]),
        lambda doc: doc["objects"][0].update(kind="patch"),
        lambda doc: doc["objects"][0].update(size_bytes=-1),
        lambda doc: doc["objects"][0].update(rows=None),
        lambda doc: doc["objects"][0].pop("sha256"),
        lambda doc: doc.update(notes=[]),
        lambda doc: doc.update(notes={"a": 1.5}),
        lambda doc: doc.update(message=None),
        lambda doc: doc.update(write_id=""),
    ],
)  # fmt: skip
def test_any_deviation_in_content_is_corrupt(change: Edit) -> None:
    document = json.loads(MANIFEST.to_bytes())
    change(document)
    with pytest.raises(CorruptObject):
        parse_manifest(canonical_json(document))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        WRITTEN.encode() + b"\n",
        WRITTEN.replace(":", ": ").encode(),
        WRITTEN.replace("30.0", "30.00").encode(),
        WRITTEN.replace("103.5", "1.035e2").encode(),
        WRITTEN.replace("年", "\\u5e74").encode(),
        WRITTEN.replace('"rows":3', '"rows":3,"rows":3').encode(),
        WRITTEN.replace("1234.5", "NaN").encode(),
        WRITTEN.encode("utf-8-sig"),
        WRITTEN.encode("utf-16"),
        json.dumps(json.loads(WRITTEN), ensure_ascii=False, separators=(",", ":"))[::-1].encode(),
    ],
)
def test_any_deviation_in_form_is_corrupt(data: bytes) -> None:
    assert data != MANIFEST.to_bytes()
    with pytest.raises(CorruptObject):
        parse_manifest(data)


def test_a_manifest_that_breaks_a_rule_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="rows are not the sum"):
        dataclasses.replace(MANIFEST, rows=5)


def test_definition_sees_meaning_and_not_words() -> None:
    first, *others = PARCELS.fields
    same = dataclasses.replace(
        PARCELS, title="别名", fields=(dataclasses.replace(first, title="别名", note="x"), *others)
    )
    wider = dataclasses.replace(PARCELS, fields=(dataclasses.replace(first, length=19), *others))
    moved = dataclasses.replace(PARCELS, fields=(*others, first))
    assert definition_hash(PARCELS) == definition_hash(same)
    assert len({definition_hash(item) for item in (PARCELS, wider, moved)}) == 3
