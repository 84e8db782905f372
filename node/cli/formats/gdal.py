"""Rows into a file through GDAL, as they come."""

from __future__ import annotations

from pathlib import Path

import pyogrio.errors
from pyogrio.raw import write_arrow

from guotu.model.collection import GEOMETRY
from guotu.model.errors import InvalidInput
from node.cli.formats.crs_of import geometry_crs_code
from node.cli.rows import Rows


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
