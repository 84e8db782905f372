"""Layers of Shapefile, FileGDB, GeoPackage, GeoJSON and FlatGeobuf, through GDAL."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyogrio.raw
from pyogrio.errors import DataLayerError, DataSourceError

from guotu.model.collection import GEOMETRY
from node.ingest.container import Container
from node.ingest.curves import curved
from node.ingest.encoding import (
    EncodingChoice,
    choose_encoding,
    dbf_language,
    dbf_texts,
    decode_texts,
    normalise_encoding,
)
from node.ingest.kinds import FaultKind
from node.ingest.reader import ROWS_PER_READ, LayerFacts, UnreadableLayer, plain_type
from node.ingest.tally import Tally

_SHAPEFILE = "ESRI Shapefile"
_SAMPLE_BYTES = 8 << 20
_GEOJSON_HEAD_BYTES = 1 << 16


def list_layers(container: Container) -> list[str]:
    """Return the names of the layers in a container.

    Raises:
        UnreadableLayer: GDAL cannot open it.
    """
    with _translated():
        return [str(name) for name, _ in pyogrio.list_layers(container.gdal_path)]


class GdalReader:
    """One layer of a file that GDAL reads."""

    def __init__(self, container: Container, layer: str, encoding: str | None) -> None:
        """Open it; `encoding` is the caller's word on the text encoding, None to find out.

        Raises:
            UnreadableLayer: GDAL cannot open it.
        """
        self._path = container.gdal_path
        self._layer = layer
        self._is_shapefile = False
        info = self._info(None)
        self._is_shapefile = info["driver"] == _SHAPEFILE
        self.choice = self._choose(container, encoding)
        # Read as Latin-1, every byte of a shapefile survives GDAL; the names come apart only if decoded here.
        self._option = "ISO-8859-1" if self._is_shapefile else None
        if self._is_shapefile:
            info = self._info(self._option)
        self._names = {self._decoded(name): str(name) for name in info["fields"]}
        self._facts = self._describe(container, info)

    @property
    def facts(self) -> LayerFacts:
        """What is known before reading."""
        return self._facts

    def batches(self, columns: list[str], geometry: bool, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Yield rows; see `LayerReader`."""
        own = [self._names[column] for column in columns]
        done = 0
        with _translated(), self._stream(own, geometry) as (meta, stream):
            shape = meta["geometry_name"] or "wkb_geometry"
            while (batch := _next(stream)) is not None:
                arrays = [self._text(batch.column(name)) for name in own]
                if geometry:
                    arrays.append(self._linear(batch.column(shape), done, tally))
                done += len(batch)
                yield pa.RecordBatch.from_arrays(arrays, [*columns, *([GEOMETRY] if geometry else [])])

    def _stream(self, columns: list[str], geometry: bool) -> Any:
        return pyogrio.raw.open_arrow(
            self._path,
            layer=self._layer,
            encoding=self._option,
            columns=columns,
            read_geometry=geometry,
            batch_size=ROWS_PER_READ,
            use_pyarrow=True,
        )

    def _info(self, encoding: str | None) -> dict[str, Any]:
        with _translated(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: dict[str, Any] = pyogrio.read_info(
                self._path, layer=self._layer, encoding=encoding, force_feature_count=True, force_total_bounds=True
            )
            return found

    def _describe(self, container: Container, info: dict[str, Any]) -> LayerFacts:
        types = self._types()
        facts = LayerFacts(
            layer=self._layer,
            driver=info["driver"],
            schema=pa.schema(list(zip(self._names, types, strict=True))),
            feature_count=max(int(info["features"]), 0),
            encoding=self.choice.encoding,
            has_geometry=info["geometry_type"] is not None,
            crs=info["crs"],
            extent=_extent(info["total_bounds"]),
        )
        assumed = facts.driver in ("GeoJSON", "GeoJSONSeq") and not _names_crs(container)
        return replace(facts, crs_stated=not assumed)

    def _types(self) -> list[pa.DataType]:
        """Return the Arrow types of the columns, as the stream has them."""
        if not self._names:
            return []
        own = list(self._names.values())
        with _translated(), self._stream(own, False) as (_, stream):
            return [plain_type(stream.schema.field(name).type) for name in own]

    def _choose(self, container: Container, option: str | None) -> EncodingChoice:
        if not self._is_shapefile:
            return choose_encoding(option, "utf-8", ())
        head = container.head(f"{self._layer}.dbf", _SAMPLE_BYTES) or b""
        page = container.head(f"{self._layer}.cpg", 64)
        stated = normalise_encoding(page.decode("ascii", "ignore")) if page else None
        return choose_encoding(option, stated or dbf_language(head), dbf_texts(head))

    def _decoded(self, name: str) -> str:
        """Return a column's name; what a shapefile cut off in the middle of a character is left out."""
        if not self._is_shapefile:
            return str(name)
        return str(name).encode("latin-1", "replace").decode(self.choice.encoding, "ignore")

    def _text(self, column: pa.Array) -> pa.Array:
        if not pa.types.is_string(column.type):
            return column
        return decode_texts(column, self.choice.encoding, latin1=self._is_shapefile)

    def _linear(self, shapes: pa.Array, done: int, tally: Tally) -> pa.Array:
        """Return geometries with curves made of straight lines, which GDAL does only outside its Arrow stream."""
        shapes = shapes.cast(pa.binary())
        bent = curved(shapes)
        if not bent.any():
            return shapes
        tally.add(FaultKind.NOTICE_CURVES, count=int(bent.sum()))
        straight = pyogrio.raw.read(
            self._path, layer=self._layer, columns=[], skip_features=done, max_features=len(shapes)
        )[2]
        return pa.array(straight, pa.binary())


def _next(stream: pa.RecordBatchReader) -> pa.RecordBatch | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return stream.read_next_batch()
        except StopIteration:
            return None


def _extent(bounds: Any) -> tuple[float, float, float, float] | None:
    if bounds is None or not np.isfinite(bounds).all():
        return None
    xmin, ymin, xmax, ymax = map(float, bounds)
    return xmin, ymin, xmax, ymax


def _names_crs(container: Container) -> bool:
    """Tell whether a GeoJSON file names its CRS, as those before RFC 7946 do, ahead of its features."""
    head = container.head(container.gdal_path.rsplit("/", 1)[-1], _GEOJSON_HEAD_BYTES) or b""
    return re.search(rb'"crs"\s*:', head.split(b'"features"', 1)[0]) is not None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (DataSourceError, DataLayerError, pa.ArrowException, OSError, RuntimeError, UnicodeDecodeError) as error:
        raise UnreadableLayer(str(error)) from error
