"""A throwaway PostgreSQL 15 cluster with PostGIS on a port of 127.0.0.1."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
from pyarrow import csv

_BIN = Path("/usr/lib/postgresql/15/bin")
_POSTGIS = Path("/usr/share/postgresql/15/extension/postgis.control")
INSTALL = "apt-get install -y postgresql-15 postgresql-15-postgis-3"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "wal_level": "logical",
    "shared_buffers": "512MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "max_parallel_maintenance_workers": "1",
    # So that no vacuum that is due anyway falls into a measured second.
    "autovacuum": "off",
}
_WAIT_S = 180
"""How long it may take to start, or to stop, s."""


def require_postgres() -> None:
    """Check that all programs are there.

    Raises:
        RuntimeError: PostgreSQL 15 or PostGIS is not installed.
    """
    missing = [
        name for name, path in {"PostgreSQL 15": _BIN / "postgres", "PostGIS": _POSTGIS}.items() if not path.exists()
    ]
    if missing:
        raise RuntimeError(f"缺 {', '.join(missing)} is missing: {INSTALL}")


def reachable_folder(folder: Path) -> Path:
    """Make a folder that the user who runs PostgreSQL may use; folders above it are opened for passing through."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        top = Path(tempfile.gettempdir())
        for parent in folder.parents:
            if top in parent.parents:
                parent.chmod(parent.stat().st_mode | 0o111)
    return folder


class PgCluster:
    """One cluster in `folder`, run as user postgres if this process is root's; gone at the end."""

    def __init__(self, folder: Path, address: str, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._settings = {**_SETTINGS, **(settings or {})}
        self._host, _, self._port = address.rpartition(":")
        self._password = secrets.token_hex(16)

    @property
    def port(self) -> str:
        """Return its TCP port."""
        return self._port

    @property
    def connection(self) -> str:
        """Return the connection string of the superuser."""
        return f"host={self._host} port={self._port} user=postgres dbname=postgres password={self._password}"

    @property
    def address(self) -> str:
        """Return where it listens, "host:port"."""
        return f"{self._host}:{self._port}"

    @property
    def password(self) -> str:
        """Return the password of the superuser."""
        return self._password

    def __enter__(self) -> Self:
        """Make and start it, with PostGIS.

        Raises:
            RuntimeError: something is not installed, or failed.
        """
        require_postgres()
        word = self._folder.with_suffix(".password")
        word.write_text(self._password, encoding="ascii")
        if os.geteuid() == 0:
            shutil.chown(word, "postgres")
        words = ["-D", str(self._folder), "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={word}", "-E", "UTF8"]
        self._run("initdb", *words, "--locale=C", "--no-sync")
        word.unlink()
        settings = {**self._settings, "port": self._port}
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        with (self._folder / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(lines)
        self.start()
        try:
            self.sql("CREATE EXTENSION postgis")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop and remove it."""
        self._remove()

    def start(self) -> None:
        """Start it on the data there is; return once it takes connections.

        Raises:
            RuntimeError: it did not start.
        """
        log = str(self._folder / "server.log")
        self._run("pg_ctl", "-D", str(self._folder), "-w", "-t", str(_WAIT_S), "-l", log, "start")

    def stop(self) -> None:
        """Stop it at once, as a power cut would; connections break and new ones are refused."""
        self._run("pg_ctl", "-D", str(self._folder), "-w", "-t", str(_WAIT_S), "-m", "immediate", "stop")

    def pids(self) -> list[int]:
        """Return the ids of its processes, the first of which started the others."""
        first = int((self._folder / "postmaster.pid").read_text(encoding="ascii").split()[0])
        others = Path(f"/proc/{first}/task/{first}/children").read_text(encoding="ascii")
        return [first, *map(int, others.split())]

    def sql(self, script: str, timeout: float = 3600.0) -> list[str]:
        """Run statements one after the other, each its own transaction unless it says otherwise.

        Returns:
            The lines of all results, columns joined by "|".

        Raises:
            RuntimeError: a statement failed; the rest is not run.
        """
        done = subprocess.run(
            self._psql(),
            input=script,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()[-2000:]}")
        return done.stdout.splitlines()

    def copy_away(self, query: str, timeout: float = 3600.0) -> None:
        """Have the server send the rows of a query as binary COPY, and keep nothing of them.

        Raises:
            RuntimeError: the server failed.
        """
        command = [*self._psql(), "--command", f"COPY ({query}) TO STDOUT (FORMAT binary)"]
        done = subprocess.run(
            command,
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.decode().strip()[-2000:]}")

    def begin_sql(self, script: str) -> subprocess.Popen[str]:
        """Start running statements; their results are what it writes."""
        process = subprocess.Popen(
            self._psql(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self._environment(), text=True
        )
        assert process.stdin is not None
        process.stdin.write(script)
        process.stdin.close()
        process.stdin = None
        return process

    def copy_in(self, table: str, rows: pa.RecordBatchReader) -> None:
        """Load rows with COPY; columns as in the table.

        Raises:
            RuntimeError: the server refused them.
        """
        command = [*self._psql(), "--command", f"COPY {table} FROM STDIN (FORMAT csv)"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self._environment()
        ) as process:
            assert process.stdin is not None
            options = csv.WriteOptions(include_header=False)
            with csv.CSVWriter(pa.PythonFile(process.stdin, "w"), rows.schema, write_options=options) as writer:
                for batch in rows:
                    writer.write_batch(batch)
            _, fault = process.communicate()
        if process.returncode:
            raise RuntimeError(f"COPY {table}: {fault.decode()[-2000:]}")

    def _psql(self) -> list[str]:
        program = str(_BIN / "psql")
        return [program, "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "-v", "ON_ERROR_STOP=1"]

    def _environment(self) -> dict[str, str]:
        """Return what psql reads the connection from, the password too, so that it is on no command line."""
        own = {"PGHOST": self._host, "PGPORT": self._port, "PGUSER": "postgres", "PGDATABASE": "postgres"}
        return {**os.environ, **own, "PGPASSWORD": self._password, "PGCLIENTENCODING": "UTF8"}

    def _remove(self) -> None:
        if (self._folder / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *words: str) -> None:
        """Run a program of PostgreSQL as the user who may; it does not take root."""
        user = "postgres" if os.geteuid() == 0 else None
        # Files, not pipes: the server that pg_ctl starts keeps them open.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                [str(_BIN / program), *words],
                user=user,
                group=user,
                extra_groups=[] if user else None,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                check=False,
            )
            said.seek(0)
            if done.returncode:
                raise RuntimeError(f"{program}: {said.read().decode(errors='replace')[-2000:]}")
