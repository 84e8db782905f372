"""A difference into a file: GeoJSON and Parquet as it comes, a GeoPackage by way of a scratch file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyogrio.errors
from pyogrio.raw import write_arrow

from guotu.model.collection import GEOMETRY
from guotu.model.crs import MESH_CRS
from guotu.model.errors import InvalidInput, InvalidQuestion
from node.cli.diff_stream import AFTER, BEFORE, DELETE, DiffStream, column
from node.cli.formats.json_text import features
from node.cli.formats.whole_parquet import write_parquet
from node.cli.workshop import require_place, workshop

SUFFIXES = {".geojson": "geojson", ".json": "geojson", ".gpkg": "gpkg", ".parquet": "parquet"}


def chosen_form(form: str | None, output: Path | None) -> str:
    """Return the form that is meant: the one named, else that of the file's name, else a table.

    Raises:
        InvalidQuestion: the two do not go together, or no file can be put there.
    """
    require_place(output, "--out")
    found = form or (SUFFIXES.get(output.suffix.lower(), "") if output is not None else "table")
    if not found:
        raise InvalidQuestion(part="--out", detail="请用 --format 指明格式 name the form with --format")
    if found == "table" and output is not None:
        raise InvalidQuestion(part="--format", detail="表格只显示在屏幕 a table goes to the screen, not to a file")
    if found == "gpkg" and output is None:
        raise InvalidQuestion(part="--out", detail="gpkg 须写入文件 needs a file: --out FILE.gpkg")
    return found


def write_difference(stream: DiffStream, form: str, output: Path | None) -> None:
    """Write a difference to a file, or to stdout if there is none.

    A file appears under its name only when it is whole; what was there stays until then.

    Raises:
        OSError: the file cannot be written.
        GuotuError: what the node raised; no file is left then.
    """
    if output is None:
        _STREAMING[form](stream, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    with workshop(output) as folder:
        draft = folder / output.name
        if form == "gpkg":
            _write_geopackage(stream, folder / "spool.arrow", draft)
        else:
            with draft.open("wb") as target:
                _STREAMING[form](stream, target)
        os.replace(draft, output)


def _write_geojson(stream: DiffStream, target: IO[bytes]) -> None:
    """Write one FeatureCollection (RFC 7946): op, key, before_* and after_*; the geometry after, of a delete before."""
    name = f"urn:ogc:def:crs:EPSG::{MESH_CRS.removeprefix('EPSG:')}"
    crs = json.dumps({"type": "name", "properties": {"name": name}})
    target.write(f'{{"type":"FeatureCollection","crs":{crs},"features":[\n'.encode())
    separator = b""
    for batch in stream:
        target.write(separator + ",\n".join(features(_flat(batch, stream))).encode())
        separator = b",\n"
    target.write(b'\n],"guotu":' + json.dumps(stream.account(), ensure_ascii=False).encode() + b"}\n")


def _write_parquet(stream: DiffStream, target: IO[bytes]) -> None:
    """Write `guotu.model.schema.change_schema` as it is; the key "guotu" of the file's metadata tells what it is of."""
    write_parquet(stream, stream.schema, target, lambda: {"guotu": json.dumps(stream.account(), ensure_ascii=False)})


_STREAMING: dict[str, Callable[[DiffStream, IO[bytes]], None]] = {"geojson": _write_geojson, "parquet": _write_parquet}


def _flat(batch: pa.RecordBatch, stream: DiffStream) -> pa.RecordBatch:
    """Return one column an attribute and side."""
    columns = {stream.key: batch.column(stream.key), "op": batch.column("op")}
    for field in stream.fields:
        before, after = (column(batch, side, field.name) for side in (BEFORE, AFTER))
        if field.name == GEOMETRY:
            columns[GEOMETRY] = pc.if_else(pc.equal(batch.column("op"), DELETE), before, after)
        elif field.name != stream.key:
            columns |= {f"before_{field.name}": before, f"after_{field.name}": after}
    return pa.RecordBatch.from_pydict(columns)


def _write_geopackage(stream: DiffStream, spool: Path, path: Path) -> None:
    """Write the layers "before" and "after" with `op`; a difference is read once, so it is kept on disk meanwhile."""
    with pa.OSFile(str(spool), "wb") as sink, pa.ipc.new_file(sink, stream.schema) as writer:
        for batch in stream:
            writer.write_batch(batch)
    with pa.memory_map(str(spool)) as source:
        kept = pa.ipc.open_file(source)
        for side in (BEFORE, AFTER):
            _write_layer(_layer(kept, side, stream), path, side)
    account = {name: json.dumps(value, ensure_ascii=False) for name, value in stream.account().items()}
    write_arrow(pa.table({"key": list(account), "value": list(account.values())}), path, layer="guotu", driver="GPKG")


def _layer(kept: pa.RecordBatchFileReader, side: str, stream: DiffStream) -> pa.RecordBatchReader:
    schema = pa.schema([pa.field("op", pa.string()), *stream.fields])

    def batches() -> Iterator[pa.RecordBatch]:
        for number in range(kept.num_record_batches):
            batch = kept.get_batch(number)
            there = batch.filter(batch.column(side).is_valid())
            yield pa.RecordBatch.from_arrays([there.column("op"), *there.column(side).flatten()], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _write_layer(reader: pa.RecordBatchReader, path: Path, layer: str) -> None:
    has_geometry = GEOMETRY in reader.schema.names
    try:
        write_arrow(
            reader,
            path,
            layer=layer,
            driver="GPKG",
            geometry_name=GEOMETRY if has_geometry else None,
            geometry_type="Unknown" if has_geometry else None,
            crs=MESH_CRS if has_geometry else None,
        )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, RuntimeError) as failure:
        raise InvalidInput(detail=f"{path.name}: {failure}") from failure
