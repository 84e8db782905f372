"""What operators send: Arrow schemas, batches, and faults that their readers found."""

from __future__ import annotations

import pyarrow as pa

from guotu.model.errors import InvalidQuestion
from node.ingest.report import Fault, faults_from_json


def read_schema(data: bytes) -> pa.Schema:
    """Read an Arrow IPC schema message.

    Raises:
        InvalidQuestion: it is none.
    """
    try:
        return pa.ipc.read_schema(pa.py_buffer(data))
    except (pa.ArrowInvalid, OSError) as failure:
        raise InvalidQuestion(part="schema", detail=f"not an Arrow schema: {failure}") from failure


def read_batch(data: bytes, schema: pa.Schema | None) -> pa.RecordBatch:
    """Read an Arrow IPC record batch message; `schema` is what the header announced.

    Raises:
        InvalidQuestion: it is none, or the header announced no such rows.
    """
    if schema is None:
        raise InvalidQuestion(part="batch", detail="rows came that the header does not announce")
    try:
        return pa.ipc.read_record_batch(pa.py_buffer(data), schema)
    except (pa.ArrowInvalid, OSError) as failure:
        raise InvalidQuestion(part="batch", detail=f"not an Arrow record batch: {failure}") from failure


def read_faults(data: bytes) -> tuple[Fault, ...]:
    """Read faults that a reader found.

    Raises:
        InvalidQuestion: they are not canonical JSON.
    """
    try:
        return faults_from_json(data)
    except ValueError as failure:
        raise InvalidQuestion(part="source_faults", detail=str(failure)) from failure
