import dataclasses
import json
from collections.abc import Callable

import pytest

from guotu.model.errors import CorruptObject
from guotu.model.records import Extent
from sync.canonical import canonical_json
from sync.definition import definition_hash
from sync.manifest import Manifest, ObjectRef, parse_manifest
from tests.support.sync_samples import PARCELS

EXTENT = Extent(103.5, 30.0, 104.25, 31.125)
MANIFEST = Manifest(
    dataset="510000/dltb",
    version=2,
    parent="1" * 64,
    collection="dltb",
    definition="2" * 64,
    crs="EPSG:4490",
    rows=3,
    extent=EXTENT,
    coverage="0103",
    territory_m2=1234.5,
    objects=(
        ObjectRef("base", "objects/sha256/33/a.parquet", "3" * 64, 100, 2, EXTENT),
        ObjectRef("base", "objects/sha256/44/b.parquet", "4" * 64, 50, 1, None),
    ),
    digest="5" * 64,
    publisher="510000",
    published_ms=1_770_000_000_000,
    message="年度变更",
    source="变更.gdb",
    write_id="w-1",
    notes={"repaired": 3, "bounds": "forced"},
)
WRITTEN = (
    '{"collection":"dltb","coverage":"0103","crs":"EPSG:4490","dataset":"510000/dltb",'
    f'"definition":"{"2" * 64}","digest":"{"5" * 64}","extent":[103.5,30.0,104.25,31.125],"format":1,'
    '"message":"年度变更","notes":{"bounds":"forced","repaired":3},"objects":['
    '{"extent":[103.5,30.0,104.25,31.125],"key":"objects/sha256/33/a.parquet","kind":"base","rows":2,'
    f'"sha256":"{"3" * 64}","size_bytes":100}},'
    '{"extent":null,"key":"objects/sha256/44/b.parquet","kind":"base","rows":1,'
    f'"sha256":"{"4" * 64}","size_bytes":50}}],"parent":"{"1" * 64}","published_ms":1770000000000,'
    '"publisher":"510000","rows":3,"source":"变更.gdb","territory_m2":1234.5,"version":2,"write_id":"w-1"}'
)


def test_written_form() -> None:
    assert MANIFEST.to_bytes().decode() == WRITTEN


def test_name_is_stable() -> None:
    assert MANIFEST.name == "c23923279bdeda06b9645007b47ff54d7b4b284c186281273a5b18c82b3f9a23"


def test_read_is_the_inverse_of_write() -> None:
    assert parse_manifest(MANIFEST.to_bytes()) == MANIFEST
    bare = dataclasses.replace(
        MANIFEST, version=1, parent="", extent=None, coverage="", territory_m2=0.0, objects=(), rows=0, notes={}
    )
    assert parse_manifest(bare.to_bytes()) == bare


Change = Callable[[dict[str, object]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: doc.pop("digest"),
        lambda doc: doc.update(more=1),
        lambda doc: doc.update(format=2),
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
def test_any_deviation_in_content_is_corrupt(change: Change) -> None:
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
