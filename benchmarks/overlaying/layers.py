"""A layer over a layer: parcels over farmland plots, by the command line, against both engines, with memory."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
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
from benchmarks.processor import cpu_ms, family_cpu_ms, own_cpu_ms
from benchmarks.single_engine import SingleEngine
from benchmarks.timing import Side, alternate
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
            variant = layer_variant(LayerOverlay("dltb", ZoneSource(COLLECTION, (field,)), ("DLBM",)))
            command = _Command(self.mesh, field, folder / f"{field}.parquet")
            sides = {
                MESH: Side(command.run, command.cpu_ms),
                DUCKDB: Side(partial(self.engine.fetch, duckdb_sums()), own_cpu_ms),
                POSTGIS: Side(partial(self.postgis.ask, variant, PLAIN), lambda: family_cpu_ms(self.cluster.pids())),
            }
            times = alternate(sides, rounds=1, warm_up=0)
            found = command.rows()
            told[name] = {
                "seconds": {side: round(timing.median_ms / 1000, 2) for side, timing in times.items()},
                "cpu_seconds": {side: round(timing.cpu_ms / 1000, 2) for side, timing in times.items()},
                "peak_mib": command.peaks,
                "rows": found.num_rows,
            }
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
        plots = sum(pq.ParquetFile(file).metadata.num_rows for file in self.plots.values())
        return {**told, "plots": plots, "pairs": totals.pop()[0]}

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


class _Command:
    """`guotu overlay` of one grouping, asked of the nation."""

    def __init__(self, mesh: LocalMesh, field: str, target: Path) -> None:
        self._nodes = pids(mesh)
        words = ["--node", mesh.address(NATION), "--timeout", _DEADLINE_S, "overlay", "--zones-from", COLLECTION]
        words += ["--zones-by", field, "--with", "dltb", "--group-by", "DLBM", "-o", str(target)]
        self._words, self._target = words, target
        self.peaks: dict[str, float] = {}
        """Most that was resident, MiB: of the command, of the largest of the nodes, and of the nation."""

    def run(self) -> None:
        """Run it.

        Raises:
            RuntimeError: it failed.
        """
        client = 0.0
        for pid in self._nodes.values():
            reset_peak(pid)
        with subprocess.Popen([guotu_command(), *self._words]) as command:
            while command.poll() is None:
                client = max(client, peak_mib(command.pid))
                time.sleep(_POLL_S)
        if command.returncode:
            raise RuntimeError(f"guotu {' '.join(self._words)} ended with {command.returncode}")
        nodes = {name: peak_mib(pid) for name, pid in self._nodes.items()}
        self.peaks = {"command": client, "nodes": max(nodes.values()), "nation": nodes[NATION]}

    def cpu_ms(self) -> float:
        """Return the processor time of the nodes, and of commands that have ended, milliseconds."""
        used = os.times()
        return cpu_ms(self._nodes.values()) + (used.children_user + used.children_system) * 1000

    def rows(self) -> pa.Table:
        """Return what it wrote, named as the engines name it."""
        rows = pq.read_table(self._target).rename_columns([ZONE, "DLBM", "count", "area_m2"])
        return rows.replace_schema_metadata(None)
