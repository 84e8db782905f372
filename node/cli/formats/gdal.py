"""Rows into a file through GDAL, as they come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyogrio.errors
from pyogrio.raw import open_arrow, write_arrow

from guotu.model.collection import GEOMETRY
from guotu.model.errors import InvalidInput
from node.cli.formats.crs_of import geometry_crs_code, require_crs
from node.cli.rows import Rows

_BATCH_ROWS = 16_384
_UNNAMED = "wkb_geometry"
"""What GDAL calls a geometry column that has no name in the file."""


def write_layer(rows: Rows, path: Path, driver: str, layer: str, **options: str) -> None:
    """Write all rows as one layer; `options` are layer creation options of the driver.

    Raises:
        InvalidInput: GDAL cannot write them.
    """
    has_geometry = GEOMETRY in rows.schema.names
    try:
        write_arrow(
            rows.reader(),
            path,
            layer=layer,
            driver=driver,
            geometry_name=GEOMETRY if has_geometry else None,
            geometry_type="Unknown" if has_geometry else None,
            crs=geometry_crs_code(rows.schema),
            layer_options=options,
        )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, RuntimeError) as failure:
        # GDAL knows only that its source failed; what went wrong there was kept.
        rows.raise_failure()
        raise InvalidInput(detail=f"{path.name}: {failure}") from failure


def read_layer(path: Path, schema: pa.Schema, layer: str | None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a layer in the file's order; None is the only layer.

    Raises:
        ValueError: the columns or the CRS are others, or GDAL cannot read them.
        pa.ArrowException: a value is none of its column's type.
    """
    try:
        with open_arrow(path, layer=layer, batch_size=_BATCH_ROWS, use_pyarrow=True) as (meta, reader):
            require_crs(meta["crs"], schema)
            shape = meta["geometry_name"] or _UNNAMED
            names = [GEOMETRY if name == shape else name for name in reader.schema.names]
            if sorted(names) != sorted(schema.names):
                raise ValueError(f"列不符 other columns: {', '.join(names)}")
            places = [names.index(name) for name in schema.names]
            for batch in reader:
                columns = [batch.column(at).cast(kind) for at, kind in zip(places, schema.types, strict=True)]
                yield pa.record_batch(columns, schema=schema)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, RuntimeError) as failure:
        raise ValueError(str(failure)) from failure
