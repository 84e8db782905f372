from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from guotu.model.schema import arrow_schema
from node.ingest.spool import Spool
from tests.support.layers import TABLE

SCHEMA = arrow_schema(TABLE)
BATCH = pa.RecordBatch.from_pylist([{name: None for name in SCHEMA.names}] * 3, SCHEMA)


def test_what_was_written_is_read(tmp_path: Path):
    with Spool(tmp_path / "s", SCHEMA) as spool:
        spool.write(BATCH)
        spool.write(BATCH.slice(1))
    assert spool.rows == 5
    assert [len(batch) for batch in spool.batches()] == [3, 2]
    assert next(iter(spool.batches())).equals(BATCH)
    spool.discard()
    spool.discard()
    assert not (tmp_path / "s").exists()


def write_and_fail(path: Path, batch: pa.RecordBatch) -> None:
    with Spool(path, SCHEMA) as spool:
        spool.write(batch)
        raise RuntimeError("boom")


def test_an_error_removes_it(tmp_path: Path):
    with pytest.raises(RuntimeError, match="boom"):
        write_and_fail(tmp_path / "s", BATCH)
    assert list(tmp_path.iterdir()) == []


def test_another_schema_is_refused(tmp_path: Path):
    with pytest.raises(pa.ArrowInvalid):
        write_and_fail(tmp_path / "s", pa.record_batch({"a": [1]}))
    assert list(tmp_path.iterdir()) == []


def test_it_is_written_only_while_open(tmp_path: Path):
    spool = Spool(tmp_path / "s", SCHEMA)
    with pytest.raises(ValueError, match="not open"):
        spool.write(BATCH)
