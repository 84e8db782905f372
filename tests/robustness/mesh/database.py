"""One real PostgreSQL cluster with a database for each node that keeps its rows in PostGIS."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from benchmarks.pg_cluster import PgCluster, reachable_folder

_SETTINGS = {"shared_buffers": "32MB", "work_mem": "8MB", "max_wal_size": "512MB", "max_connections": "120"}
_LOCAL = "127.0.0.1"


class Database:
    """PostgreSQL on loopback of this process; a node reaches it as one that runs it beside itself does."""

    def __init__(self, folder: Path, listen: str) -> None:
        """Prepare it in `folder`, for nodes that reach it at `listen`, "ip:port"."""
        reachable_folder(folder)
        self._data = folder / "data"
        self._listen = listen
        host, _, port = listen.rpartition(":")
        own = {"listen_addresses": f"{_LOCAL},{host}", "wal_level": "minimal", "max_wal_senders": "0"}
        self._cluster = PgCluster(self._data, f"{_LOCAL}:{port}", _SETTINGS | own)

    def start(self) -> None:
        """Make it and start it."""
        self._cluster.__enter__()
        access = self._data / "pg_hba.conf"
        access.write_text(access.read_text() + "host all all samenet scram-sha-256\n")
        self._cluster.sql("CREATE ROLE guotu LOGIN PASSWORD 'guotu'; SELECT pg_reload_conf();")

    def make(self, node: str) -> str:
        """Make the database of a node; returns its URL."""
        name = f"n{node}"
        self._cluster.sql(f"CREATE DATABASE {name} OWNER guotu;\n\\c {name}\nCREATE EXTENSION postgis;")
        return f"postgresql://guotu:guotu@{self._listen}/{name}"

    def kill(self) -> None:
        """End every process of it at once (SIGKILL)."""
        self._signal(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again on its data, which it recovers."""
        self._cluster.start()

    def pause(self) -> None:
        """Let every process of it fall silent (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it and remove its data."""
        with suppress(FileNotFoundError):
            self.resume()
        with suppress(RuntimeError):
            self._cluster.__exit__(None, None, None)

    def _signal(self, number: signal.Signals) -> None:
        # The first one starts no others from here on, of which one that lives on would keep it from starting again.
        os.kill(self._cluster.pids()[0], signal.SIGSTOP)
        for pid in self._cluster.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, number)
