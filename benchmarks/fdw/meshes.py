"""The meshes: a nation that owns nothing and three owners, with their rows in PostGIS or in DuckDB."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.bench_mesh import fill, restart, start
from benchmarks.fdw.databases import Databases
from benchmarks.fdw.members import MEMBERS
from benchmarks.narrator import Narrator
from demo.mesh import LocalMesh
from guotu.model.collection import Collection
from guotu.model.division import NATION


def postgis_mesh(root: Path, databases: Databases) -> LocalMesh:
    """Prepare a mesh whose owners keep their rows in the members' clusters."""
    mesh = LocalMesh(root, [NATION])
    for member in MEMBERS:
        file = root / f"{member}.url"
        file.write_text(databases.store_url(member), encoding="ascii")
        file.chmod(0o600)
        mesh.add(member, overrides={"store.kind": "postgis", "store.url_file": str(file)})
    return mesh


def duckdb_mesh(root: Path) -> LocalMesh:
    """Prepare a mesh whose owners have the embedded store."""
    return LocalMesh(root, [NATION, *MEMBERS])


def bring_up(mesh: LocalMesh, collection: Collection, files: Mapping[str, Path], narrator: Narrator) -> None:
    """Start a mesh, publish everything into it, and bring it to rest."""
    start(mesh, collection)
    fill(mesh, collection, files, narrator)
    restart(mesh, collection)
