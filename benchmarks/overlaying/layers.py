"""A layer over a layer: parcels over farmland plots, by the command line, against both engines, with memory."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.agreement import Disagreement
from benchmarks.bench_mesh import pids
from benchmarks.fdw.members import SRID
from benchmarks.fdw.national import National, as_table
from benchmarks.memory import peak_mib, reset_peak
from benchmarks.narrator import Narrator
from benchmarks.overlaying.engines import DUCKDB, MESH, POSTGIS
from benchmarks.overlaying.farmland import COLLECTION
from benchmarks.overlaying.zone_sets import (
    PLAIN,
    STRAIGHT,
    duckdb_cuts,
    duckdb_sums,
    layer_variant,
    require_close,
    summed,
)
from benchmarks.pg_cluster import PgCluster
from benchmarks.single_engine import SingleEngine
from demo.mesh import LocalMesh
from demo.node_process import guotu_command
from guotu.model.collection import GEOMETRY
from guotu.model.division import NATION
from guotu.model.question import LayerOverlay, ZoneSource
from guotu.model.zones import ZONE

GROUPINGS = {"by class": "DLBM", "by plot": "BSM"}
"""Fields of the plots that they are grouped by; parcels by DLBM."""
_DEADLINE_S = "3600"
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Sides:
    """Who is asked, and where the plots lie as files."""

    mesh: LocalMesh
    engine: SingleEngine
    cluster: PgCluster
    postgis: National
    plots: Mapping[str, Path]

    def measured(self, folder: Path, narrator: Narrator) -> dict[str, Any]:
        """Lay the parcels over the plots, each side once for each grouping; the finest answers are compared.

        Raises:
            Disagreement: the answers differ.
        """
        told: dict[str, Any] = {}
        totals: set[tuple[Any, Any]] = set()
        for name, field in reversed(GROUPINGS.items()):
            self._load(field)
            found, mesh = self._mesh(field, folder)
            question = LayerOverlay("dltb", ZoneSource(COLLECTION, (field,)), ("DLBM",))
            variant = layer_variant(question)
            seconds = {
                MESH: mesh.pop("seconds"),
                DUCKDB: _seconds(partial(self.engine.fetch, duckdb_sums())),
                POSTGIS: _seconds(partial(self.postgis.ask, variant, PLAIN)),
            }
            told[name] = {"seconds": seconds, "rows": found.num_rows, **mesh}
            if not totals:
                postgis = as_table(self.postgis.ask(variant, STRAIGHT), found.schema)
                told[name]["worst_difference"] = {
                    DUCKDB: require_close(f"{name}, {DUCKDB}", found, summed(self.engine.fetch(duckdb_cuts()))),
                    POSTGIS: require_close(f"{name}, {POSTGIS}", found, postgis),
                }
            totals.add((pc.sum(found["count"]).as_py(), pc.sum(found["area_m2"]).as_py()))
            narrator.say(f"{name}: {told[name]}")
        if len(totals) > 1:
            raise Disagreement(f"groupings differ in all: {totals}")
        return {**told, "pairs": totals.pop()[0]}

    def _load(self, field: str) -> None:
        """Put the plots into a table `zones` of both engines: `name`, which is that field, and `area`."""
        plots = pa.concat_tables([pq.read_table(file, columns=[field, GEOMETRY]) for file in self.plots.values()])
        plots = pa.table({"name": plots[field], "wkb": plots[GEOMETRY]})
        self.engine.replace_shapes("zones", plots)
        self.cluster.sql("DROP TABLE IF EXISTS zones; CREATE TABLE zones (name text, area geometry)")
        hexadecimal = pa.array([wkb.hex() for wkb in plots["wkb"].to_pylist()])
        self.cluster.copy_in("zones", plots.set_column(1, "wkb", hexadecimal).to_reader())
        self.cluster.sql(
            f"ALTER TABLE zones ALTER area TYPE geometry(Polygon, {SRID}) USING ST_SetSRID(area, {SRID});"
            "CREATE INDEX ON zones USING gist (area); VACUUM ANALYZE zones; CHECKPOINT;"
        )

    def _mesh(self, field: str, folder: Path) -> tuple[pa.Table, dict[str, Any]]:
        """Run the command; returns its rows, and seconds and peaks of resident memory, MiB."""
        nodes, target = pids(self.mesh), folder / f"{field}.parquet"
        for pid in nodes.values():
            reset_peak(pid)
        words = ["--node", self.mesh.address(NATION), "--timeout", _DEADLINE_S, "overlay", "--zones-from", COLLECTION]
        words += ["--zones-by", field, "--with", "dltb", "--group-by", "DLBM", "-o", str(target)]
        started, client_peak = time.perf_counter(), 0.0
        with subprocess.Popen([guotu_command(), *words]) as command:
            while command.poll() is None:
                client_peak = max(client_peak, peak_mib(command.pid))
                time.sleep(_POLL_S)
        seconds = round(time.perf_counter() - started, 2)
        if command.returncode:
            raise RuntimeError(f"guotu {' '.join(words)} ended with {command.returncode}")
        rows = pq.read_table(target).rename_columns([ZONE, "DLBM", "count", "area_m2"])
        peaks = {name: peak_mib(pid) for name, pid in nodes.items()}
        told = {
            "seconds": seconds,
            "client_peak_mib": client_peak,
            "node_peak_mib": max(peaks.values()),
            "nation_peak_mib": peaks[NATION],
        }
        return rows.replace_schema_metadata(None), told


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 2)
