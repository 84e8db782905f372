"""A real etcd that all tests of this folder share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from registry.etcd import Etcd
from tests.support.etcd import EtcdServer
from tests.support.registry_parts import patient


@pytest.fixture(scope="package")
def etcd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """One real etcd."""
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


@pytest.fixture
async def client(etcd: EtcdServer) -> AsyncIterator[Etcd]:
    """A client of that etcd."""
    client = patient(etcd)
    yield client
    await client.close()
