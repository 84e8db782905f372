"""From a file to the report, as a publish goes; and one writer for each format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from guotu.model.collection import Collection
from node.ingest.inspect import Inspector
from node.ingest.kinds import FaultKind
from node.ingest.report import Fault, ImportReport
from node.ingest.source import LayerSource, open_source
from registry.gazetteer import Gazetteer
from tests.support.layers import COUNTY, PARCELS, Rows, write_ogr, write_parquet, write_shapefile

Write = Callable[[Path, Rows], Path]

FORMATS: dict[str, Write] = {
    "shp-gbk-cpg": lambda d, r: write_shapefile(d / "a.shp", r, encoding="GBK", cpg="GBK"),
    "shp-gbk-936": lambda d, r: write_shapefile(d / "a.shp", r, encoding="GBK", cpg="936"),
    "shp-gbk-ldid": lambda d, r: write_shapefile(d / "a.shp", r, encoding="GBK", cpg=None, language=0x4D),
    "shp-gbk-silent": lambda d, r: write_shapefile(d / "a.shp", r, encoding="GBK", cpg=None),
    "shp-utf8-cpg": lambda d, r: write_shapefile(d / "a.shp", r, encoding="UTF-8", cpg="UTF-8"),
    "shp-utf8-silent": lambda d, r: write_shapefile(d / "a.shp", r, encoding="UTF-8", cpg=None),
    "shp-gbk-latin1-cpg": lambda d, r: write_shapefile(d / "a.shp", r, encoding="GBK", cpg="ISO-8859-1"),
    "gdb": lambda d, r: write_ogr(d / "a.gdb", r, "OpenFileGDB", layer="a"),
    "gpkg": lambda d, r: write_ogr(d / "a.gpkg", r, "GPKG"),
    "geojson": lambda d, r: write_ogr(d / "a.geojson", r, "GeoJSON"),
    "fgb": lambda d, r: write_ogr(d / "a.fgb", r, "FlatGeobuf", SPATIAL_INDEX="NO"),
    "parquet": lambda d, r: write_parquet(d / "a.parquet", r),
}


def kinds(report: ImportReport) -> dict[FaultKind, int]:
    return {fault.kind: fault.count for fault in report.faults}


def gpkg(folder: Path, rows: Rows, **options: Any) -> Path:
    return write_ogr(folder / "a.gpkg", rows, "GPKG", **options)


@lru_cache
def gazetteer_bounds() -> pa.Table:
    """Return the boxes of all divisions."""
    return Gazetteer.load().bounds_table()


def inspect_layer(
    source: LayerSource, collection: Collection = PARCELS, division: str = COUNTY, **options: Any
) -> tuple[ImportReport, pa.Table]:
    """Do what a publish does: send the rows from the source to the inspector; returns its report and the rows."""
    kept = []
    with Inspector(
        collection,
        division,
        gazetteer_bounds(),
        source=str(source.describe),
        source_faults=[*source.faults, *source.notices],
        **options,
    ) as inspector:
        inspector.begin(source.schema)
        for batch in source.batches():
            inspected = inspector.take(batch)
            kept += [] if inspected is None else [inspected]
        report = inspector.finish().joined([*source.faults, *source.notices])
    return report, pa.Table.from_batches(kept) if kept else pa.table({})


def inspect_file(
    path: Path,
    collection: Collection = PARCELS,
    division: str = COUNTY,
    *,
    inspector: Mapping[str, Any] = {},
    **options: Any,
) -> tuple[ImportReport, pa.Table]:
    """Open a file and inspect it; `options` are those of `open_source`, `inspector` those of the inspector."""
    return inspect_layer(open_source(path, collection, **options), collection, division, **inspector)


def found(path: Path, kind: FaultKind, **options: Any) -> Fault:
    """Return the one finding of a kind; it must stand among the notices or the faults, as its kind says."""
    report, _ = inspect_file(path, **options)
    (fault,) = [fault for fault in (*report.faults, *report.notices) if fault.kind is kind]
    assert fault in (report.notices if kind.is_notice else report.faults)
    return fault
