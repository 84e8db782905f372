"""GeoParquet, read without GDAL (its wheel has no Parquet driver). Source: GeoParquet 1.1.0, "geo" metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from guotu.model.collection import GEOMETRY
from node.ingest.container import Container
from node.ingest.encoding import UTF8, decode_texts
from node.ingest.reader import ROWS_PER_READ, LayerFacts, UnreadableLayer, plain_type
from node.ingest.tally import Tally

_USUAL_NAMES = ("geometry", "geom", "wkb_geometry", "shape")
_DEFAULT_CRS = "OGC:CRS84"


class ParquetReader:
    """One GeoParquet file; a Parquet file without "geo" metadata counts as one whose CRS is not known."""

    def __init__(self, container: Container) -> None:
        """Open it.

        Raises:
            UnreadableLayer: it is no Parquet file, or its "geo" metadata is no JSON.
        """
        try:
            self._file = pq.ParquetFile(container.path, memory_map=True)
            geo = json.loads((self._file.metadata.metadata or {}).get(b"geo", b"{}"))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise UnreadableLayer(str(error)) from error
        self._shape = self._geometry_name(geo)
        column: Mapping[str, Any] = geo.get("columns", {}).get(self._shape, {})
        self.geometry_encoding = str(column.get("encoding", "WKB"))
        self._facts = self._describe(container, geo, column)

    @property
    def facts(self) -> LayerFacts:
        """What is known before reading."""
        return self._facts

    def batches(self, columns: list[str], geometry: bool, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield rows; see `LayerReader`."""
        own = [*columns, *([self._shape] if geometry and self._shape else [])]
        names = [*columns, *([GEOMETRY] if len(own) > len(columns) else [])]
        try:
            for batch in self._file.iter_batches(ROWS_PER_READ, columns=own):
                arrays = [_plain(batch.column(name)) for name in own]
                yield pa.RecordBatch.from_arrays(arrays, names)
        except (pa.ArrowException, OSError) as error:
            raise UnreadableLayer(str(error)) from error

    def _geometry_name(self, geo: Mapping[str, Any]) -> str | None:
        if "primary_column" in geo:
            return str(geo["primary_column"])
        by_name = {name.casefold(): name for name in self._file.schema_arrow.names}
        return next((by_name[name] for name in _USUAL_NAMES if name in by_name), None)

    def _describe(self, container: Container, geo: Mapping[str, Any], column: Mapping[str, Any]) -> LayerFacts:
        boxes = {path[0] for path in column.get("covering", {}).get("bbox", {}).values()}
        attributes = [field for field in self._file.schema_arrow if field.name not in {self._shape, *boxes}]
        return LayerFacts(
            layer=container.path.stem,
            driver="GeoParquet" if geo else "Parquet",
            schema=pa.schema([(field.name, plain_type(field.type)) for field in attributes]),
            feature_count=self._file.metadata.num_rows,
            has_geometry=self._shape is not None,
            crs=_crs(column) if geo else None,
            crs_stated="crs" in column,
            extent=_extent(column.get("bbox")),
        )


def _crs(column: Mapping[str, Any]) -> str | None:
    """Return the CRS of a geometry column: longitude and latitude on WGS 84 if not given, none if null."""
    if "crs" not in column:
        return _DEFAULT_CRS
    given = column["crs"]
    return None if given is None else given if isinstance(given, str) else json.dumps(given)


def _extent(box: list[float] | None) -> tuple[float, float, float, float] | None:
    if not box or len(box) not in (4, 6):
        return None
    half = len(box) // 2
    return box[0], box[1], box[half], box[half + 1]


def _plain(column: pa.Array) -> pa.Array:
    """Return a column in its plain type, text as valid UTF-8."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    plain = plain_type(column.type)
    if not pa.types.is_string(plain):
        return column.cast(plain)
    return decode_texts(column.cast(plain), UTF8)
