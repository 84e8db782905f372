"""What the registry writes, it reads back, byte for byte and value for value."""

import math
import struct

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from guotu.model.collection import Classification, CodeList, Collection, Family, Field, FieldType, GeometryType
from guotu.model.definition import collection_from_json, collection_to_json
from guotu.model.records import DatasetRecord, Extent, ReplicaRecord
from guotu.wire.records import dataset_from_bytes, dataset_to_bytes, replica_from_bytes, replica_to_bytes
from registry.outline import pack_outline, unpack_outline
from registry.packing import forget_revision, pack_record, packed_revision, unpack_record
from registry.replica_table import ReplicaTable

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)
int64 = st.integers(-(2**63), 2**63 - 1)
doubles = st.floats(allow_nan=False)

fields = st.builds(
    Field,
    name=names,
    title=texts,
    type=st.sampled_from(FieldType),
    length=st.integers(0, 1000),
    width=st.integers(0, 38),
    decimals=st.integers(0, 38),
    nullable=st.booleans(),
    codes=texts,
    unit=texts,
    note=texts,
    renamed_from=texts,
)
code_lists = st.builds(CodeList, id=texts, title=texts, source=texts, codes=st.dictionaries(texts, texts, max_size=5))


@st.composite
def collections(draw: st.DrawFn) -> Collection:
    own = draw(st.lists(fields, min_size=1, max_size=6))
    return Collection(
        id=draw(names),
        family=draw(st.sampled_from(Family)),
        title=draw(texts),
        title_en=draw(texts),
        geometry=draw(st.sampled_from(GeometryType)),
        key=draw(st.sampled_from(own)).name,
        fields=tuple(own),
        classification=draw(st.sampled_from(Classification)),
        division_field=draw(texts),
        source=draw(texts),
        edition=draw(texts),
        code_lists={item.id: item for item in draw(st.lists(code_lists, max_size=3))},
    )


extents = st.builds(Extent, doubles, doubles, doubles, doubles)


def records(coverage: st.SearchStrategy[bytes]) -> st.SearchStrategy[DatasetRecord]:
    return st.builds(
        DatasetRecord,
        dataset=st.just("510000-ch/dltb"),
        collection=st.just("dltb"),
        node=st.just("510000-ch"),
        version=int64,
        rows=int64,
        extent=st.none() | extents,
        coverage_wkb=coverage,
        territory_m2=doubles,
        manifest=st.binary(min_size=32, max_size=32).map(bytes.hex) | texts,
        digest=st.binary(min_size=32, max_size=32).map(bytes.hex) | texts,
        published_ms=int64,
        also_under=st.lists(st.sampled_from(("510000", "510000-ch", "100000-ly")), max_size=3).map(tuple),
    )


cells = st.integers(-18000, 18000)
grid_rings = st.lists(st.tuples(cells, cells), min_size=3, max_size=40).map(
    lambda ring: [(x / 100, y / 100) for x, y in [*ring, ring[0]]]
)
grid_polygons = st.lists(grid_rings, min_size=1, max_size=3).map(lambda rings: shapely.Polygon(rings[0], rings[1:]))
grid_coverages = grid_polygons | st.lists(grid_polygons, min_size=1, max_size=4).map(shapely.MultiPolygon)


@given(collections())
def test_a_definition_comes_back(collection: Collection) -> None:
    assert collection_from_json(collection_to_json(collection)) == collection


@given(collections())
def test_definitions_are_canonical(collection: Collection) -> None:
    data = collection_to_json(collection)
    assert collection_to_json(collection_from_json(data)) == data


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b"{}", b"null", b'{"id":1}', b'{"fields":[1]}']))
def test_nonsense_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message depends on the bytes
        collection_from_json(data)


@given(records(st.binary(max_size=40)))
def test_a_dataset_record_comes_back_from_the_wire(record: DatasetRecord) -> None:
    assert dataset_from_bytes(dataset_to_bytes(record)) == record


@given(
    st.builds(
        ReplicaRecord,
        dataset=st.just("510000-ch/dltb"),
        node=st.just("100000"),
        version=st.integers(0, 2**63 - 1),
        manifest=texts,
        digest=texts,
        whole=st.booleans(),
    )
)
def test_a_replica_record_comes_back_from_the_wire(record: ReplicaRecord) -> None:
    assert replica_from_bytes(replica_to_bytes(record)) == record


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.none() | st.integers(1, 5)), max_size=30))
def test_views_of_replicas_are_what_puts_and_drops_leave(changes: list[tuple[int, int, int | None]]) -> None:
    """Read after each change or at the end only, the view is the same."""
    table, lazy = ReplicaTable(), ReplicaTable()
    model: dict[str, dict[str, ReplicaRecord]] = {}
    for revision, (owner, holder, version) in enumerate(changes, start=1):
        dataset, node = f"51000{owner}/dltb", f"52000{holder}"
        if version is None:
            model.get(dataset, {}).pop(node, None)
        else:
            model.setdefault(dataset, {})[node] = ReplicaRecord(dataset, node, version)
        for each in (table, lazy):
            if version is None:
                each.drop(f"{dataset}/{node}")
            else:
                each.put(f"{dataset}/{node}", revision, replica_to_bytes(model[dataset][node]))
        expected = {name: holders for name, holders in model.items() if holders}
        assert table.view() == expected
    assert lazy.view() == table.view()
    assert len(table) == sum(map(len, model.values()))


@given(int64, records(st.binary(max_size=40) | grid_coverages.map(shapely.to_wkb)))
def test_a_packed_record_comes_back(revision: int, record: DatasetRecord) -> None:
    packed = pack_record(revision, record)
    assert packed_revision(packed) == revision
    assert unpack_record("510000-ch", "dltb", packed) == record
    assert packed_revision(forget_revision(packed)) == 0
    assert unpack_record("510000-ch", "dltb", forget_revision(packed)) == record


@given(grid_coverages)
def test_outlines_on_the_grid_come_back_and_are_short(polygon: shapely.Geometry) -> None:
    wkb = shapely.to_wkb(polygon)
    packed = pack_outline(wkb)
    assert unpack_outline(packed) == wkb
    assert packed[0] != 0
    assert len(packed) < len(wkb)


@given(st.binary(max_size=200))
def test_any_bytes_come_back(data: bytes) -> None:
    assert unpack_outline(pack_outline(data)) == data


@given(grid_polygons, st.lists(st.floats(), min_size=1, max_size=8), st.data())
def test_outlines_off_the_grid_come_back(polygon: shapely.Geometry, odd: list[float], data: st.DataObject) -> None:
    wkb = bytearray(shapely.to_wkb(polygon))
    for value in [*odd, math.inf, -0.0]:
        place = data.draw(st.integers(0, (len(wkb) - 13) // 8 - 1))
        struct.pack_into("<d", wkb, 13 + 8 * place, value)
    assert unpack_outline(pack_outline(bytes(wkb))) == bytes(wkb)


@given(grid_coverages, st.integers(0, 400), st.binary(max_size=5))
def test_outlines_cut_short_or_run_on_come_back(polygon: shapely.Geometry, size: int, more: bytes) -> None:
    wkb = shapely.to_wkb(polygon)[:size] + more
    assert unpack_outline(pack_outline(wkb)) == wkb
