"""Fixtures that several suites share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.databases import stop_cluster
from tests.support.etcd import EtcdServer


@pytest.fixture(scope="session")
def etcd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """One real etcd for the whole run."""
    server = EtcdServer(tmp_path_factory.mktemp("etcd"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def etcd(etcd_server: EtcdServer) -> EtcdServer:
    """The real etcd, running and empty, whatever the test before did to it."""
    if not etcd_server.running:
        etcd_server.start()
    etcd_server.delete_all()
    return etcd_server


def pytest_sessionfinish() -> None:
    stop_cluster()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--version-runs", type=int, default=40, help="seeded runs of the version machine")
    parser.addoption("--version-seed", type=int, default=1, help="first seed of the version machine")
