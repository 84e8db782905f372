"""Databases of PostgreSQL with PostGIS for tests: one throwaway cluster a process, one database a folder."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import trustme

from benchmarks.pg_cluster import PgCluster, reachable_folder
from demo.ports import PortPool

_TEMPLATE = "guotu_template"
_USER = "guotu"
_SETTINGS = {
    "shared_buffers": "64MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    # Tests kill processes of ours, never the server: nothing is lost that it has taken.
    "fsync": "off",
    "full_page_writes": "off",
}
_life = ExitStack()
_ports = PortPool()


@cache
def cluster() -> PgCluster:
    """Start the cluster of this process; `stop_cluster` ends it."""
    folder = Path(_life.enter_context(tempfile.TemporaryDirectory(prefix="guotu-pg-")))
    reachable_folder(folder)
    settings = _SETTINGS | _tls(folder)
    started = _life.enter_context(PgCluster(folder / "data", _ports.address(), settings))
    started.sql(
        f"CREATE ROLE {_USER} LOGIN PASSWORD '{started.password}';"
        # Its own order of texts is not that of code points, so that a comparison which left the order to it is noticed.
        f"CREATE DATABASE {_TEMPLATE} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'zh' LOCALE 'C';\n"
        f"\\c {_TEMPLATE}\nCREATE EXTENSION postgis;"
    )
    return started


@cache
def authority() -> trustme.CA:
    """Return who vouches for the cluster of this process."""
    return trustme.CA()


def _tls(folder: Path) -> dict[str, str]:
    """Write a certificate that the server may use; returns the settings."""
    certificate = authority().issue_cert("127.0.0.1")
    paths = {"ssl_cert_file": folder / "server.pem", "ssl_key_file": folder / "server.key"}
    certificate.cert_chain_pems[0].write_to_path(paths["ssl_cert_file"])
    certificate.private_key_pem.write_to_path(paths["ssl_key_file"])
    for path in paths.values():
        path.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(path, "postgres")
    return {"ssl": "on"} | {name: str(path) for name, path in paths.items()}


def stop_cluster() -> None:
    """End the cluster of this process, if it has one."""
    _life.close()


def end_connections(which: str) -> str:
    """Return the statement that ends the connections of which that is true, and waits until they have ended."""
    return f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE {which}"


def database_of(folder: Path) -> str:
    """Return the URL of the database that belongs to a folder, made if there is none; its owner is no superuser."""
    file = folder / "database.url"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(make_database(), encoding="ascii")
    return file.read_text(encoding="ascii")


def make_database(template: str = _TEMPLATE) -> str:
    """Make a database with PostGIS, or of another template; returns its URL."""
    name = f"t_{secrets.token_hex(8)}"
    cluster().sql(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {_USER}")
    return f"postgresql://{_USER}:{cluster().password}@{cluster().address}/{name}"


def remove_database(folder: Path) -> None:
    """Remove the database that belongs to a folder."""
    file = folder / "database.url"
    name = file.read_text(encoding="ascii").rpartition("/")[2]
    # A drop waits five seconds for those whom it ends, which is little on a busy machine.
    cluster().sql(end_connections(f"datname = '{name}'"))
    cluster().sql(f"DROP DATABASE {name} WITH (FORCE)")
    file.unlink()
