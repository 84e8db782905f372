"""A small collection of plots that a node owns alone, and publishing it with the real command."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import shapely

from demo.mesh import LocalMesh
from tests.support.layers import squares
from tests.support.small_mesh import Ran, eventually, run_guotu

NODE = "510100"
ROWS = 40
HEAD = """
edition = "1"
title = "试验目录"
[[code_lists]]
id = "dl"
title = "地类"
codes = { "0101" = "水田", "0102" = "水浇地", "0103" = "旱地" }
"""
FIELDS = """
  { name = "BSM", title = "标识码", type = "text", length = 18, nullable = false },
  { name = "DLBM", title = "地类编码", type = "text", length = 4, nullable = false, codes = "dl" },
  { name = "MJ", title = "面积", type = "decimal", width = 12, decimals = 2, unit = "m2", nullable = false },
  { name = "BZ", title = "备注", type = "text", length = 20 },
"""


def catalogue(collection: str, fields: str) -> str:
    return f"""{HEAD}
[[collections]]
id = "{collection}"
family = "status"
title = "试验图斑"
title_en = "Plots"
geometry = "polygon"
key = "BSM"
fields = [{fields}]
"""


def key(number: int) -> str:
    return f"{NODE}{number:012d}"


def layer(rows: int = ROWS) -> gpd.GeoDataFrame:
    columns = {
        "BSM": [key(number) for number in range(rows)],
        "DLBM": [("0101", "0102", "0103")[number % 3] for number in range(rows)],
        "MJ": [1000 + number / 4 for number in range(rows)],
        "BZ": [None if number % 4 else f"第 {number} 块" for number in range(rows)],
    }
    return gpd.GeoDataFrame(columns, geometry=squares(rows), crs=4490)


@dataclass(frozen=True)
class Desk:
    """One collection at one node, and a folder for its files."""

    mesh: LocalMesh
    collection: str
    folder: Path

    @property
    def dataset(self) -> str:
        return f"{NODE}/{self.collection}"

    def define(self, fields: str = FIELDS) -> None:
        """Put a definition in force and wait until all nodes that run have it."""
        path = self.folder / "catalogue.toml"
        path.write_text(catalogue(self.collection, fields), encoding="utf-8")
        ran = run_guotu("catalogue", "apply", path, "--local", "--yes", config=self.mesh.config(NODE))
        assert ran.code == 0, ran.out + ran.err
        names = [line.split('"')[1] for line in fields.splitlines() if "name" in line]
        running = [name for name, item in self.mesh.nodes.items() if item.process.alive]
        eventually(lambda: all(self.fields(node) == names for node in running))

    def fields(self, node: str) -> list[str]:
        """Return the fields of the definition that a node has."""
        with self.mesh.client(node) as client:
            found = [item for item in client.collections() if item.id == self.collection]
            return [item.name for item in found[0].fields] if found else []

    def publish(self, *arguments: str | Path, code: int = 0) -> Any:
        ran = self.run(*arguments, "--json")
        assert ran.code == code, ran.out + ran.err
        return ran.json

    def run(self, *arguments: str | Path) -> Ran:
        return run_guotu("publish", self.collection, *arguments, config=self.mesh.config(NODE))

    def write(self, frame: gpd.GeoDataFrame, name: str = "layer.gpkg") -> Path:
        path = self.folder / name
        path.unlink(missing_ok=True)
        frame.to_file(path)
        return path

    def csv(self, text: str) -> Path:
        path = self.folder / "deletes.csv"
        path.write_text(text, encoding="utf-8")
        return path

    def versions(self) -> list[int]:
        with self.mesh.client(NODE) as client:
            return [item.version for item in client.versions(self.dataset)]

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return the head's rows by key, geometries as WKB."""
        with self.mesh.client(NODE) as client:
            table = client.query(self.collection).table()
        rows = table.to_pylist()
        for row in rows:
            row["geometry"] = shapely.normalize(shapely.from_wkb(row["geometry"])).wkb
        return {row["BSM"]: row for row in rows}

    def manifest(self, version: int = 0) -> dict[str, Any]:
        with self.mesh.client(NODE) as client:
            return dict(json.loads(client.manifest(self.dataset, version)[0]))
