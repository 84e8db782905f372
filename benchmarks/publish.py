"""How fast one node publishes generated 地类图斑, by stage, from GeoParquet and from GeoPackage.

The same rows are published with the real `guotu publish`; every format has a new node, so that no publish finds its
rows already there.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pyogrio

from benchmarks.bench_mesh import start, work_folder
from benchmarks.environment import environment
from benchmarks.memory import peak_mib, reset_peak
from benchmarks.narrator import Narrator
from benchmarks.owners import province_parcels
from benchmarks.publication import national_collection, publish, rates
from demo.mesh import LocalMesh
from guotu.model.collection import GEOMETRY, Collection

_NODE = "500000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rows", type=int, default=300_000, help="parcels 图斑数 (default 300,000)")
    parser.add_argument("--seed", type=int, default=0, help="of the generator 随机种子 (default 0)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run it; returns the numbers by format, in the units that their names end in."""
    narrator, collection = Narrator(), national_collection("dltb")
    narrator.say(f"图斑 parcels: {arguments.rows:,}")
    parquet = province_parcels(_NODE, arguments.rows, arguments.seed)
    result: dict[str, Any] = {"benchmark": "publish"}
    with work_folder(keep=False) as folder:
        sources = {"geoparquet": parquet, "gpkg": write_gpkg(parquet, folder / "dltb.gpkg")}
        for name, source in sources.items():
            result[name] = _measure(folder / name, collection, source)
            narrator.say(f"{name}: {result[name]['rows_per_s']:,} 行/秒 rows/s")
    return result | {"seed": arguments.seed, "environment": environment()}


def _measure(root: Path, collection: Collection, source: Path) -> dict[str, Any]:
    with LocalMesh(root, [_NODE]) as mesh:
        start(mesh, collection)
        reset_peak(mesh.pid(_NODE))
        measured = rates([publish(mesh, _NODE, collection, source)])
        return {**measured, "file_mib": source.stat().st_size / 2**20, "node_peak_mib": peak_mib(mesh.pid(_NODE))}


def write_gpkg(source: Path, target: Path) -> Path:
    """Write the rows of a GeoParquet file as a GeoPackage; return its path."""
    pyogrio.write_arrow(
        pq.read_table(source),
        target,
        layer="DLTB",
        driver="GPKG",
        geometry_name=GEOMETRY,
        geometry_type="Polygon",
        crs="EPSG:4490",
    )
    return target
