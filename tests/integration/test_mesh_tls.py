"""Mutual TLS between nodes and clients: with it the mesh works, without it nobody gets in."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from demo.mesh import LocalMesh
from guotu.client import Client, connect
from guotu.model import errors
from guotu.model.records import NodeState
from tests.support.small_mesh import eventually, run_guotu


def write_identity(folder: Path, authority: trustme.CA) -> tuple[Path, Path, Path]:
    folder.mkdir()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    paths = (folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(paths[0])
    certificate.private_key_pem.write_to_path(paths[1])
    authority.cert_pem.write_to_path(paths[2])
    return paths


def wait_ready(client: Client) -> NodeState:
    deadline = time.monotonic() + 120
    while True:
        with suppress(errors.Unavailable):
            state = client.node()
            if state.ready:
                return state
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_mutual_tls(short_root: Path, tmp_path: Path) -> None:
    cert, key, ca = write_identity(tmp_path / "ours", trustme.CA())
    tls = {"tls.cert_file": cert, "tls.key_file": key, "tls.ca_file": ca}
    with LocalMesh(short_root, ["100000", "510000"], tls) as mesh:
        mesh.start_etcd()
        mesh.start_nodes()
        with connect(mesh.address("100000"), tls_cert=cert, tls_key=key, tls_ca=ca) as client:
            wait_ready(client)
            with connect(mesh.address("510000"), tls_cert=cert, tls_key=key, tls_ca=ca) as other:
                wait_ready(other)
                eventually(lambda: "510000" in {node.node for node in other.nodes()})
        with connect(mesh.address("100000"), timeout=30) as plain, pytest.raises(errors.Unavailable):
            plain.node()
        stranger = write_identity(tmp_path / "theirs", trustme.CA())
        with (
            connect(mesh.address("100000"), timeout=30, tls_cert=stranger[0], tls_key=stranger[1], tls_ca=ca) as other,
            pytest.raises(errors.Unavailable),
        ):
            other.node()
        ran = run_guotu(
            "--tls-cert", cert, "--tls-key", key, "--tls-ca", ca, "nodes", "--json", node=mesh.address("100000")
        )
        assert ran.code == 0, ran.err


def test_listening_beyond_loopback_without_tls_is_refused(short_root: Path) -> None:
    ran = run_guotu(
        "node", "init", "--id", "510000", "--listen", "0.0.0.0:7083", "-o", short_root / "guotu.toml",
        "--data-dir", short_root / "data",
    )  # fmt: skip
    if ran.code == 0:
        ran = run_guotu("node", "serve", config=short_root / "guotu.toml")
    assert ran.code == 2
    assert "allow_plaintext" in ran.err
