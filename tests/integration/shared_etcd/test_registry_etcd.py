"""The etcd client against a real etcd: bounds, endpoints, TLS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from demo.ports import PortPool
from guotu.model.errors import InvalidConfig, RegistryUnavailable
from guotu.wire.endpoint import TlsFiles
from registry.directory import DirectoryOptions, EtcdDirectory
from registry.etcd import Etcd
from registry.etcd_values import Compare, Put
from registry.session import Phase, Registration
from tests.support.etcd import EtcdServer, EtcdTls
from tests.support.eventually import LONG_S, eventually
from tests.support.records import node_record
from tests.support.registry_parts import patient
from tests.support.relay import Relay

WATCH_ONLY = DirectoryOptions(reconcile=3600.0)


async def test_waiting_says_what_it_waits_for_and_ends() -> None:
    ports = PortPool()
    endpoint = ports.address()
    client = Etcd([endpoint])
    heard: list[str] = []
    waiting = asyncio.create_task(client.wait_ready(3600.0, heard.append))
    await eventually(lambda: heard)
    assert endpoint in heard[0]
    waiting.cancel()
    began = time.monotonic()
    with pytest.raises(RegistryUnavailable) as caught:
        await client.wait_ready(1.0)
    assert time.monotonic() - began > 0.5
    assert caught.value.facts["endpoints"] == endpoint
    await client.close()


async def test_waiting_ends_as_soon_as_etcd_is_there(etcd: EtcdServer) -> None:
    client = Etcd([etcd.endpoint])
    etcd.kill()
    etcd.start()
    assert (await client.wait_ready(LONG_S)).revision > 0
    await client.close()


def test_an_endpoint_is_needed() -> None:
    with pytest.raises(InvalidConfig):
        Etcd([])


async def test_a_silent_etcd_costs_no_more_than_the_timeout(client: Etcd, etcd: EtcdServer) -> None:
    lease = await client.grant(60)
    async with Relay(etcd.endpoint) as relay:
        hasty = Etcd([relay.endpoint], timeout=2.0)
        relay.silence()
        calls = (
            hasty.get(b"x"),
            hasty.probe(),
            hasty.grant(5),
            hasty.keep_alive(lease),
            hasty.revoke(lease, 0.5),
            hasty.transact([Compare(b"x", 0)], [Put(b"x", b"")]),
        )
        # It stays silent: without the timeout they would never end.
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(end) for end in ended] == [RegistryUnavailable] * len(calls)
        await hasty.close()


@pytest.mark.parametrize("silent", [True, False])
async def test_when_one_endpoint_is_lost_all_goes_on_over_the_next(etcd: EtcdServer, silent: bool) -> None:
    writer = patient(etcd)
    async with Relay(etcd.endpoint) as relay:
        client = Etcd([f"http://{relay.endpoint}", f"http://{etcd.endpoint}"], timeout=1.0)
        directory = EtcdDirectory(client, None, WATCH_ONLY)
        await directory.start()
        registration = Registration(client, node_record("510000"), ttl=5)
        await registration.start()
        await eventually(lambda: "510000" in directory.view().nodes)
        if silent:
            relay.silence()
        else:
            await relay.refuse()
        other = Registration(writer, node_record("540000"), ttl=5)
        await other.start()
        await eventually(lambda: "540000" in directory.view().nodes)
        await eventually(lambda: not directory.view().stale)
        await eventually(lambda: registration.state.phase is Phase.REGISTERED)
        await eventually(lambda: "510000" in directory.view().nodes)
        for part in (registration, other):
            await part.close()
        await directory.close()
        await client.close()
    await writer.close()


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[EtcdServer, TlsFiles]]:
    """An etcd that serves TLS and demands certificates, and what a client shows it."""
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    ca, cert, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(ca)
    leaf.private_key_pem.write_to_path(key)
    leaf.cert_chain_pems[0].write_to_path(cert)
    server = EtcdServer(tmp_path / "etcd", EtcdTls(ca, cert, key))
    server.start()
    yield server, TlsFiles(cert=cert, key=key, ca=ca)
    server.kill()


async def test_everything_works_over_tls(secure: tuple[EtcdServer, TlsFiles]) -> None:
    server, files = secure
    client = Etcd([f"https://{server.endpoint}"], files, timeout=LONG_S)
    registration = Registration(client, node_record("510000"), ttl=60)
    await registration.start()
    directory = EtcdDirectory(client, None, WATCH_ONLY)
    await directory.start()
    assert "510000" in directory.view().nodes
    await directory.close()
    await registration.close()
    await client.close()


async def test_without_a_certificate_there_is_no_registry(secure: tuple[EtcdServer, TlsFiles]) -> None:
    client = Etcd([secure[0].endpoint])
    with pytest.raises(RegistryUnavailable):
        await client.wait_ready(1.0)
    await client.close()
