"""GeoPackage: one layer with the rows, and a table "guotu" with what the answer says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
from pyogrio.raw import write_arrow

from node.cli.formats.gdal import write_layer
from node.cli.rows import Rows

ACCOUNT_LAYER = "guotu"


def write(rows: Rows, path: Path) -> None:
    """Write all rows to a new file."""
    write_layer(rows, path, "GPKG", rows.layer)
    values = {key: json.dumps(value, ensure_ascii=False) for key, value in rows.account().items()}
    table = pa.table({"key": list(values), "value": list(values.values())})
    write_arrow(table, path, layer=ACCOUNT_LAYER, driver="GPKG")
