"""The account that a saved answer gives of itself, wherever its form keeps it."""

from __future__ import annotations

import json
import mmap
import sqlite3
from pathlib import Path
from typing import Any

from guotu.model.errors import InvalidQuestion
from node.cli.export import sidecar_path
from node.cli.formats.answer_json import account_text
from node.cli.formats.geojson import ACCOUNT_MEMBER
from node.cli.formats.gpkg import ACCOUNT_LAYER

_PARQUET, _SQLITE = b"PAR1", b"SQLite format 3\0"


def read_account(path: Path, option: str) -> dict[str, Any]:
    """Return what a saved answer says of itself: from its sidecar if there is one, else from the file.

    A file that is neither Parquet, GeoPackage nor GeoJSON is read as a JSON document that is the account, or has it
    beside the rows, as `--json` prints it. `option` is told in errors.

    Raises:
        InvalidQuestion: there is none, or it cannot be read.
    """
    sidecar = sidecar_path(path)
    try:
        found = _of_file(sidecar if sidecar.exists() else path)
    except OSError as failure:
        raise InvalidQuestion(part=option, detail=f"{path}: 无法读取 cannot be read: {failure.strerror}") from failure
    except (ValueError, KeyError, sqlite3.Error, RecursionError) as failure:
        raise InvalidQuestion(part=option, detail=f"{path}: 不是回答 not an answer: {failure}") from failure
    if not isinstance(found, dict):
        raise InvalidQuestion(part=option, detail=f"{path}: 不是回答 not an answer")
    return found


def _of_file(path: Path) -> Any:
    with path.open("rb") as file:
        begins = file.read(len(_SQLITE))
    if begins.startswith(_PARQUET):
        return _of_parquet(path)
    if begins == _SQLITE:
        return _of_geopackage(path)
    return _of_text(path)


def _of_parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        metadata = pa.parquet.read_metadata(path).metadata or {}
    except pa.ArrowException as failure:
        raise ValueError(str(failure)) from failure
    return json.loads(metadata[b"guotu"])


def _of_geopackage(path: Path) -> Any:
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        rows = database.execute(f'SELECT key, value FROM "{ACCOUNT_LAYER}"').fetchall()  # noqa: S608 (a constant)
    finally:
        database.close()
    return {key: json.loads(value) for key, value in rows}


def _of_text(path: Path) -> Any:
    """Return the account at the end of a GeoJSON file or of what `--json` printed, or the whole of another document."""
    with path.open("rb") as file:
        if path.stat().st_size and (account := _account_text(file.fileno())) is not None:
            return json.loads(account)
        return json.loads(file.read())


def _account_text(descriptor: int) -> bytes | None:
    """Return the text of the account without reading the rows, which may be many."""
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as text:
        at = text.rfind(ACCOUNT_MEMBER)
        return account_text(text) if at < 0 else text[at + len(ACCOUNT_MEMBER) :].strip().removesuffix(b"}")
