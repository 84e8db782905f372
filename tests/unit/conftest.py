"""Fixtures that several unit suites share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from federation.notary import Notary
from node.cli.program import program
from sync.signing import NodeKey
from tests.support.canned_node import CannedNode, Script
from tests.support.idle_time import IdleTime
from tests.support.signed_answers import FixedClock


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration that `guotu node init` writes; the node does not run."""
    result = CliRunner().invoke(program, ["node", "init", "--id", "510000", "-o", str(tmp_path / "guotu.toml")])
    assert result.exit_code == 0, result.stderr
    return tmp_path / "guotu.toml"


@pytest.fixture
def script() -> Script:
    """What `node` answers, and what it was asked."""
    return Script()


@pytest.fixture
def node(script: Script) -> Iterator[CannedNode]:
    """A node that gives the answers of `script`."""
    server = CannedNode(script)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> NodeKey:
    """The key of a node that signs receipts."""
    return NodeKey.create(tmp_path_factory.mktemp("key") / "ed25519.pem")


@pytest.fixture(scope="module")
def notary(key: NodeKey) -> Notary:
    """Who signs receipts with `key`, always at the same time."""
    return Notary(key.public_bytes, key.sign, FixedClock())


@pytest.fixture
async def idle_time(monkeypatch: pytest.MonkeyPatch) -> IdleTime:
    """Let time pass in this test only while nobody has anything to do, and then at once."""
    return IdleTime(asyncio.get_running_loop(), monkeypatch)
