"""The pages on manifests and on how versions travel: they state what the code does, and their example is real."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guotu.model.records import Change
from guotu.model.schema import arrow_schema
from guotu.v1 import registry_pb2, replication_pb2
from guotu.wire.endpoint import MAX_MESSAGE_BYTES, MAX_QUESTION_BYTES, MAX_REQUEST_BYTES
from node.rpc.replication import MAX_READ_BYTES, PART_BYTES
from sync.bases import MOST_DELTA_SHARE, MOST_DELTAS
from sync.definitions import parse_definition
from sync.delta import OLD, OLD_CORNERS, OP
from sync.load import LOAD_STEPS
from sync.manifest import BLOCK_BYTES, FORMAT, Manifest, ObjectRef, manifest_name, parse_manifest
from sync.package.archive import ending_size, header_size, local_header
from sync.package.index import MAX_DOCUMENTS_BYTES, MAX_INDEX_BYTES, Entry, PackageIndex, Slice, parse_index
from sync.package.intake import IMPORT_STEPS
from sync.replica.machine import Backoff, Phase
from sync.replica.sources import QUARANTINE_S
from sync.rowhash import row_hashes
from sync.setdigest import SetDigest
from sync.signing import verify
from sync.trust import fingerprint

DOCS = Path(__file__).parents[2] / "docs/reference"
PROTOCOL = (DOCS / "replication-protocol.md").read_text(encoding="utf-8")
MANIFEST = (DOCS / "manifest.md").read_text(encoding="utf-8")
DIGESTS = (DOCS / "digests.md").read_text(encoding="utf-8")
JSON = [found.encode() for found in re.findall(r"```json\n(.*?)\n```", PROTOCOL, re.DOTALL)]
SIGNATURES = [bytes.fromhex(found) for found in re.findall(r"```\n([0-9a-f]{128})\n```", PROTOCOL)]
MIB = 1 << 20


def table(page: str, start: str) -> list[list[str]]:
    """Return the cells of the first table that begins at or after a text."""
    _, found, rest = page.partition(start)
    assert found, start
    _, _, rows = (start + rest).partition("\n|---")
    lines = rows.splitlines()[1:]
    end = next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[:end]]


def first_column(page: str, header: str) -> set[str]:
    return {name.strip(" `") for row in table(page, header) for name in row[0].split(",")}


@pytest.mark.parametrize(
    ("page", "start", "cls"),
    [
        (MANIFEST, f"This is format {FORMAT}.", Manifest),
        (MANIFEST, "Each object:", ObjectRef),
        (PROTOCOL, "Canonical JSON with exactly these fields:", PackageIndex),
        (PROTOCOL, "| of `datasets` | type | meaning |", Slice),
        (PROTOCOL, "| of `entries` | type | meaning |", Entry),
    ],
)
def test_the_pages_have_the_fields_of_the_formats(page: str, start: str, cls: Any) -> None:
    assert first_column(page, start) == {item.name for item in fields(cls)}


def test_the_page_has_the_parts_of_a_change() -> None:
    assert {item.name for item in fields(Change) if f"`{item.name}`" not in MANIFEST} == set()


def test_the_page_has_the_columns_of_a_delta() -> None:
    named = first_column(MANIFEST, "| column | Parquet/Arrow type | meaning |")
    assert named == {OP, OLD, *OLD_CORNERS, "the collection's columns"}


def test_the_page_has_every_call_and_field() -> None:
    (service,) = replication_pb2.DESCRIPTOR.services_by_name.values()
    for method in service.methods:
        rows = table(PROTOCOL, f"**{method.name}**")
        wanted = {f"request `{item.name}` = {item.number}" for item in method.input_type.fields}
        wanted |= {f"response `{item.name}` = {item.number}" for item in method.output_type.fields}
        assert {row[0] for row in rows} == wanted
    record = registry_pb2.ReplicaRecord.DESCRIPTOR
    assert first_column(PROTOCOL, "| ReplicaRecord | type | meaning |") == {item.name for item in record.fields}


def test_the_page_has_the_states_and_steps() -> None:
    assert first_column(PROTOCOL, "| state | what is done | leaves it when |") == {phase.value for phase in Phase}
    steps = {row[1].strip("`") for row in table(PROTOCOL, "| step | checkpoint | a crash after it leaves |")} - {""}
    assert set(LOAD_STEPS) <= steps
    assert steps <= {*LOAD_STEPS, "replica-noted", "object-stored", "manifest-kept", "version-entered", "head-moved"}
    assert all(f"`{step}`" in PROTOCOL for step in IMPORT_STEPS)


def test_the_page_has_the_limits() -> None:
    backoff = Backoff()
    for text, holds in (
        ("SHA-256 of each 4 MiB (4,194,304 bytes)", BLOCK_BYTES == 4 * MIB),
        ("0 to 64 MiB; 0 for all that follow", MAX_READ_BYTES == 64 * MIB),
        ("the next 1 to 1,048,576 bytes", PART_BYTES == MIB),
        (
            "requests of at most 4 MiB (of questions 36 MiB, for their zones), responses of at most 64 MiB",
            (MAX_REQUEST_BYTES, MAX_QUESTION_BYTES, MAX_MESSAGE_BYTES) == (4 * MIB, 36 * MIB, 64 * MIB),
        ),
        ("`guotu-package.json` | at most 16 MiB", MAX_INDEX_BYTES == 16 * MIB),
        ("at most 256 MiB together", MAX_DOCUMENTS_BYTES == 256 * MIB),
        ("quarantine for 10 minutes", QUARANTINE_S == 600),
        ("after 1, 2, 4, … at most 60 s", (backoff.first_ms, backoff.most_ms) == (1_000, 60_000)),
        ("after 15 minutes, or a new head", backoff.slow_ms == 900_000),
        ("more than half of its bytes, or are\nmore than 30", (MOST_DELTA_SHARE, MOST_DELTAS) == (0.5, 30)),
    ):
        assert holds, text
        assert text in PROTOCOL + MANIFEST
    assert "34,816 bytes" in DIGESTS
    assert len(SetDigest().state) + SetDigest().buckets.nbytes == 34_816


def test_the_example_is_signed() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw()
    assert f"public key   {key.hex()}\nfingerprint  {fingerprint(key)}" in PROTOCOL
    definition, manifest, index = JSON
    parsed = parse_manifest(manifest)
    assert f"manifests/{manifest_name(manifest)}.json" in index.decode()
    assert verify(key, manifest, SIGNATURES[0])
    assert verify(key, index, SIGNATURES[1])
    collection = parse_definition(parsed.definition, definition)
    assert collection.id == parsed.collection
    assert f"{len(manifest):,} bytes, whose SHA-256" in PROTOCOL
    assert f"`{parsed.parent}`" in PROTOCOL


def test_the_example_has_its_digests() -> None:
    definition, manifest, _ = JSON
    collection = parse_definition(parse_manifest(manifest).definition, definition)
    schema, digests, begins = arrow_schema(collection), {}, set()
    for version in ("1", "2"):
        rows = [row for row in table(PROTOCOL, "| version | BSM | DLBM | x, y | row hash |") if row[0] == version]
        corners = [tuple(map(float, row[3].split(","))) for row in rows]
        shapes = [shapely.box(x, y, x + 0.001, y + 0.001) for x, y in corners]
        columns = [[row[1] for row in rows], [row[2] for row in rows], [10747.32] * 3]
        arrays = [pa.array(column, schema.field(number).type) for number, column in enumerate(columns)]
        arrays.append(
            pa.array([shapely.to_wkb(shape, byte_order=1, flavor="iso") for shape in shapes], schema[-1].type)
        )
        batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
        hashes = row_hashes(batch, collection)
        assert [value.hex() for value in hashes.to_pylist()] == [row[4] for row in rows]
        begins |= {row[4][:16] for row in rows}
        digest = SetDigest()
        digest.add(batch.column("BSM"), hashes)
        digests[version] = digest.hex
    assert digests["2"] == parse_manifest(manifest).digest
    assert f"`{digests['1']}` of version 1" in PROTOCOL
    header = "| `_op` | BSM | DLBM | TBMJ | geometry | `_old` | `_oxmin` … `_oymax` |"
    assert {row[5] for row in table(PROTOCOL, header)} - {"null"} <= begins


def test_the_example_lies_where_it_is_said_to() -> None:
    index = parse_index(JSON[2])
    members = index.members(JSON[2], SIGNATURES[1])
    place, told = 0, table(PROTOCOL, "| place | header | bytes | entry |")
    for row, member in zip(told, members, strict=False):
        assert [int(cell) for cell in row[:3]] == [place, header_size(member.name), member.size_bytes]
        assert member.name.startswith(row[3].partition("….")[0])
        place += header_size(member.name) + member.size_bytes
    end = ending_size([member.name for member in members])
    assert (int(told[-1][0]), int(told[-1][2]), len(told)) == (place, end, len(members) + 1)
    assert f"writes {place + end:,} bytes" in PROTOCOL
    _, _, shown = PROTOCOL.partition("The first bytes, the header of the index")
    hexadecimal = "".join(re.findall(r"```\n(.*?)\n```", shown, re.DOTALL)[0].split())
    plain = local_header(members[0]).hex()
    assert hexadecimal[:28] + hexadecimal[36:] == plain[:28] + plain[36:]
