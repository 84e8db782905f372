"""The PostgreSQL peer of the benchmarks says what is missing, and how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import pg_cluster
from benchmarks.pg_logical import PgLogical


@pytest.mark.parametrize("name", ["_BIN", "_POSTGIS"])
def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setattr(pg_cluster, name, tmp_path / "none")
    with (
        pytest.raises(RuntimeError, match="apt-get install -y postgresql-15 postgresql-15-postgis-3"),
        PgLogical(tmp_path),
    ):
        pass
