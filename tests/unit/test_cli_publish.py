"""`guotu publish` and the admin client, against a socket that answers as it is told."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pytest
import shapely
from click.testing import CliRunner, Result

from guotu.model.errors import NodeUnavailable, PublishConflict, TooLarge
from guotu.wire.admin import MAX_BATCH_BYTES, AdminClient, PublishHeader, PublishProgress, PublishResult, messages
from node.cli.program import program
from tests.support.canned_node import CannedNode, Script

COUNTY = Path(__file__).parents[2] / "demo/data/county.parquet"


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def node(script: Script, config: Path) -> Iterator[CannedNode]:
    server = CannedNode(script, config.parent / "guotu-data" / "admin.sock")
    yield server
    server.stop()


def publish(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(program, ["--config", str(config), "publish", *arguments])


@pytest.mark.usefixtures("node")
def test_every_row_and_option_reaches_the_node(config: Path, script: Script) -> None:
    result = publish(
        config, "county", "--from", str(COUNTY), "--message", "首次", "--repair", "--force-bounds", "--json"
    )
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["published"], found["head"]["version"], found["report"]["ok"]) == (True, 2, True)
    assert set(found["seconds"]) == {"validate", "commit", "total"}
    header = script.header
    assert header is not None
    assert (header.collection, header.message, header.repair, header.force_bounds, header.dry_run) == (
        "county", "首次", True, True, False,
    )  # fmt: skip
    assert len(header.write_id) == 32
    assert "county.parquet" in header.source
    original = geopandas.read_parquet(COUNTY)
    sent = pa.Table.from_batches(script.published)
    assert sent.num_rows == header.expected_rows == len(original)
    assert sent["adcode"].to_pylist() == list(original["adcode"])


@pytest.mark.usefixtures("node")
def test_people_see_stages_result_and_rate(config: Path) -> None:
    result = publish(config, "county", "--from", str(COUNTY))
    assert "检查 validate" in result.stderr
    assert "已发布 published 510000/county@2" in result.stdout
    assert "rows/s" in result.stdout


@pytest.mark.usefixtures("node")
def test_a_layer_with_faults_ends_with_2_and_all_of_them(config: Path, tmp_path: Path, script: Script) -> None:
    layer = tmp_path / "bad.gpkg"
    geopandas.GeoDataFrame({"x": [1]}, geometry=[shapely.box(104, 30, 105, 31)], crs=4490).to_file(layer)
    result = publish(config, "county", "--from", str(layer))
    assert result.exit_code == 2
    assert "EXTRA_COLUMN" in result.stdout
    assert "未通过检查" in result.stderr
    result = publish(config, "county", "--from", str(layer), "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["published"], found["error"]["reason"]) == (2, False, "IMPORT_REFUSED")
    assert {fault["kind"] for fault in found["report"]["faults"]} >= {"EXTRA_COLUMN"}


@pytest.mark.usefixtures("node")
def test_columns_are_mapped_and_left_out(config: Path, tmp_path: Path, script: Script) -> None:
    layer = tmp_path / "own.gpkg"
    original = geopandas.read_parquet(COUNTY).rename(columns={"name": "名称"})
    original.assign(extra=1).to_file(layer)
    result = publish(config, "county", "--from", str(layer), "--map", "名称=name", "--map", "extra=", "--json")
    assert result.exit_code == 0, result.stdout
    sent = pa.Table.from_batches(script.published)
    assert sent["name"].to_pylist() == list(original["名称"])
    assert "extra" not in sent.column_names


@pytest.mark.usefixtures("node")
def test_a_file_that_is_no_layer_is_not_sent(config: Path, tmp_path: Path, script: Script) -> None:
    layer = tmp_path / "bad.gpkg"
    layer.write_bytes(b"nothing")
    result = publish(config, "county", "--from", str(layer))
    assert result.exit_code == 2
    assert "UNREADABLE_FILE" in result.stdout
    assert script.header is None


@pytest.mark.usefixtures("node")
def test_faults_seen_in_the_last_row_stop_the_publish(config: Path, tmp_path: Path, script: Script) -> None:
    """A GeoPackage that states a wrong extent: that its rows are in metres shows only when all are read."""
    metres = [shapely.box(35_400_000, 3_400_000, 35_500_000, 3_500_000)] * 3
    layer = tmp_path / "lies.gpkg"
    geopandas.GeoDataFrame({"name": ["a", "b", "c"]}, geometry=metres, crs=4490).to_file(layer)
    with sqlite3.connect(layer) as database:
        database.execute("UPDATE gpkg_contents SET min_x = 104, min_y = 30, max_x = 105, max_y = 31")
    result = publish(config, "county", "--from", str(layer), "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["published"], found["head"]) == (2, False, None)
    assert script.finished is False
    # Not what the node has seen of them: a call that is broken off need not deliver what was sent.
    assert found["report"]["rows"] == 3
    assert {fault["kind"] for fault in found["report"]["faults"]} == {"CRS_MISMATCH"}


@pytest.mark.usefixtures("node")
def test_a_dry_run_publishes_nothing(config: Path, script: Script) -> None:
    result = publish(config, "county", "--from", str(COUNTY), "--dry-run")
    assert result.exit_code == 0
    assert script.header is not None
    assert script.header.dry_run
    assert "未发布" in result.stdout


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(("head", "code"), [("=", 0), ("someone else", 6)])
def test_a_lost_answer_is_resolved_by_the_heads_write_id(config: Path, script: Script, head: str, code: int) -> None:
    script.drop_after_finish, script.head_write_id = True, head
    result = publish(config, "county", "--from", str(COUNTY), "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == code
    if code == 0:
        assert (found["published"], found["head"]["version"]) == (True, 2)
    else:
        assert found["error"]["reason"] == "NODE_UNAVAILABLE"
        assert "nothing was published" in found["error"]["message"]


@pytest.mark.usefixtures("node")
def test_a_refusal_of_the_node_is_told(config: Path, script: Script) -> None:
    script.publish_error = PublishConflict(dataset="510000/county", version=3)
    result = publish(config, "county", "--from", str(COUNTY))
    assert result.exit_code == 8
    assert "510000/county@3" in result.stderr


@pytest.mark.usefixtures("node")
def test_unknown_collections_and_encodings_are_refused(config: Path) -> None:
    assert publish(config, "nope", "--from", str(COUNTY)).exit_code == 5
    assert publish(config, "county", "--from", str(COUNTY), "--encoding", "nope").exit_code == 2
    assert publish(config, "county", "--from", "no-such-file").exit_code == 2
    assert publish(config, "county", "--from", str(COUNTY), "--map", "x").exit_code == 2


def test_without_a_running_node_the_remedy_is_told(config: Path) -> None:
    result = publish(config, "county", "--from", str(COUNTY))
    assert result.exit_code == 2
    assert "guotu node serve" in result.stderr


def header(schema: pa.Schema) -> PublishHeader:
    return PublishHeader("county", schema, "a" * 32)


def test_what_goes_wrong_while_reading_comes_out_as_it_is(node: CannedNode, config: Path) -> None:
    class Torn(Exception):
        pass

    schema = pa.schema([("a", pa.int64())])

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([[1]], schema=schema)
        raise Torn

    with AdminClient(config.parent / "guotu-data" / "admin.sock") as admin, pytest.raises(Torn):
        list(admin.publish(header(schema), batches()))


def test_progress_comes_before_the_one_result(node: CannedNode, config: Path) -> None:
    schema = pa.schema([("a", pa.int64())])
    batches = [pa.record_batch([[1, 2]], schema=schema)] * 3
    with AdminClient(config.parent / "guotu-data" / "admin.sock") as admin:
        *progress, result = admin.publish(header(schema), batches)
        record, datasets = admin.status()
    assert [item.rows for item in progress if isinstance(item, PublishProgress)] == [2, 4, 6]
    assert isinstance(result, PublishResult)
    assert (record.node, datasets[0].dataset) == ("510000", "510000/county")


def test_a_socket_that_nobody_serves_is_unavailable(tmp_path: Path) -> None:
    with AdminClient(tmp_path / "admin.sock") as admin, pytest.raises(NodeUnavailable):
        admin.status()


def sizes_of(batch: pa.RecordBatch) -> list[int]:
    return [len(message) for message in messages(batch)]


def joined(batch: pa.RecordBatch) -> Any:
    parts = [pa.ipc.read_record_batch(pa.py_buffer(message), batch.schema) for message in messages(batch)]
    return pa.Table.from_batches(parts, batch.schema).to_pydict()


@pytest.mark.parametrize("lengths", [[10] * 100_000, [1_000_000] * 7, [10] * 5000 + [2_900_000] + [10] * 5000, [5], []])
def test_batches_are_cut_to_messages_without_loss(lengths: list[int]) -> None:
    values = [bytes([index % 256]) * length for index, length in enumerate(lengths)]
    batch = pa.record_batch([pa.array(values, pa.binary())], ["geometry"])
    assert joined(batch) == batch.to_pydict()
    assert all(size <= MAX_BATCH_BYTES for size in sizes_of(batch))
    whole = batch.nbytes / (1 << 20)
    assert len(sizes_of(batch)) <= 4 * whole + 30


def test_a_feature_too_large_for_a_message_is_named() -> None:
    batch = pa.record_batch([pa.array([b"a", b"b" * (MAX_BATCH_BYTES + 1)], pa.binary())], ["geometry"])
    with pytest.raises(TooLarge, match="a feature"):
        sizes_of(batch)
