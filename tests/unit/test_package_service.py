"""The operator's way to a package: the service on a real socket, its client, and the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import click
import grpc.aio
import pytest
import structlog.testing
from click.testing import CliRunner, Result

from guotu.model.errors import InvalidQuestion, NodeUnavailable, PackageGap, UnknownVersion, UntrustedKey
from guotu.model.records import DatasetRecord, ReplicaRecord
from guotu.v1 import package_pb2_grpc
from guotu.wire.care import WorkProgress
from guotu.wire.endpoint import bind, new_server
from guotu.wire.packages import PackagesClient, PackageSummary
from node.cli.package import package
from node.cli.program import Program
from node.cli.session import Session
from node.metrics import Metrics
from node.packages import PackageDesk, held_as_replica
from node.readiness import Readiness, State
from node.rpc.gate import Gate
from node.rpc.package import PackageServicer
from sync.replica.site import Announce
from sync.trust import fingerprint, trust
from tests.support.package_parts import Author, Site, edited

FIRST = {number: f"村 {number}" for number in range(30)}
SECOND = edited(FIRST, {3: "改", 5: None})


class Running:
    """A node's package service on a socket in the data directory of a configuration."""

    def __init__(self, site: Site, config: Path) -> None:
        self.site, self.config = site, config
        self.socket = config.parent / "data" / "admin.sock"
        self._server: grpc.aio.Server | None = None

    async def start(self) -> Running:
        self.socket.parent.mkdir(parents=True)
        self.config.write_text(f'[node]\nid = "{self.site.node}"\ndata_dir = "data"\n')
        readiness = Readiness(self.site.node)
        readiness.state = State.READY
        gate = Gate(self.site.node, readiness, Metrics(), 60.0)
        self._server = new_server()
        desk = PackageDesk(self.site.exporter, self.site.importer)
        package_pb2_grpc.add_PackageServiceServicer_to_server(PackageServicer(gate, desk), self._server)
        bind(self._server, f"unix:{self.socket}")
        await self._server.start()
        return self

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.stop(None)

    async def call(self, work: Callable[[PackagesClient], Any]) -> Any:
        """Use the blocking client as a program does, beside the server's loop."""

        def run() -> Any:
            with PackagesClient(self.socket) as client:
                return work(client)

        return await asyncio.to_thread(run)

    async def guotu(self, *arguments: str) -> Result:
        """Run `guotu package …` as an operator does."""
        program = Program("guotu", params=[], callback=_session(self.config))
        program.add_command(package)
        return await asyncio.to_thread(CliRunner().invoke, program, ["package", *arguments])


def _session(config: Path) -> Callable[[], None]:
    @click.pass_context
    def begin(context: click.Context) -> None:
        context.obj = Session("127.0.0.1:1", 60.0, None, None, None, config)

    return begin


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Keep the node's log, which is written in this process, out of what the command line prints."""
    with structlog.testing.capture_logs():
        yield


@pytest.fixture
async def author(tmp_path: Path) -> Author:
    author = Author(await Site(tmp_path / "sichuan", "510000").start())
    await author.publish(FIRST)
    await author.publish(SECOND)
    return author


@pytest.fixture
async def sichuan(author: Author, tmp_path: Path) -> AsyncIterator[Running]:
    running = await Running(author.site, tmp_path / "a" / "guotu.toml").start()
    yield running
    await running.stop()


@pytest.fixture
async def nation(tmp_path: Path) -> AsyncIterator[Running]:
    running = await Running(await Site(tmp_path / "nation", "100000").start(), tmp_path / "b" / "guotu.toml").start()
    yield running
    await running.stop()


async def test_frames_end_with_the_summary(sichuan: Running, nation: Running, author: Author, tmp_path: Path) -> None:
    path = tmp_path / "a.guotu"
    *progress, told = await sichuan.call(
        lambda client: list(client.export([author.dataset], {author.dataset: 0}, path))
    )
    assert isinstance(told, PackageSummary)
    assert (told.cut, told.versions, told.objects, told.taken) == ({author.dataset: 2}, 2, 2, 0)
    assert told.size_bytes == path.stat().st_size
    assert {frame.stage for frame in progress if isinstance(frame, WorkProgress)} == {"export"}
    confirmed = {"510000": fingerprint(author.site.key.public_bytes)}
    *progress, told = await nation.call(lambda client: list(client.take(path, confirmed)))
    assert (told.cut, told.taken) == ({author.dataset: 2}, 2)
    assert {frame.stage for frame in progress} >= {"verify", "import"}
    assert await nation.site.rows(author.dataset) == await author.site.rows(author.dataset)


async def test_errors_travel_with_their_facts(
    sichuan: Running, nation: Running, author: Author, tmp_path: Path
) -> None:
    path = tmp_path / "a.guotu"
    with pytest.raises(UnknownVersion):
        await sichuan.call(lambda client: list(client.export([author.dataset], {author.dataset: 9}, path)))
    await sichuan.call(lambda client: list(client.export([author.dataset], {author.dataset: 1}, path)))
    with pytest.raises(UntrustedKey) as caught:
        await nation.call(lambda client: list(client.take(path, {})))
    assert caught.value.facts["fingerprint"] == fingerprint(author.site.key.public_bytes)
    await trust(nation.site.objects, "510000", author.site.key.public_bytes)
    with pytest.raises(PackageGap) as gap:
        await nation.call(lambda client: list(client.take(path, {})))
    assert gap.value.facts == {"dataset": author.dataset, "has": 0, "needs": 1}


@pytest.mark.parametrize(
    ("datasets", "since", "path"),
    [
        ([], {}, "/tmp/x"),
        (["dltb"], {}, "/tmp/x"),
        (["510000/dltb"], {"510000/county": 1}, "/tmp/x"),
        (["510000/dltb"], {}, "relative"),
        (["510000/dltb"], {}, ""),
        (["510000/dltb"], {}, "/tmp/\0"),
    ],
)
async def test_orders_that_cannot_be_meant(
    author: Author, datasets: list[str], since: dict[str, int], path: str
) -> None:
    desk = PackageDesk(author.site.exporter, author.site.importer)
    with pytest.raises(InvalidQuestion):
        await desk.export(datasets, since, path, lambda *words: None)


@pytest.mark.parametrize("confirmed", [{"510000": "ab"}, {"nobody": "a" * 64}, {"510000": "g" * 64}])
async def test_fingerprints_that_are_none(author: Author, tmp_path: Path, confirmed: dict[str, str]) -> None:
    desk = PackageDesk(author.site.exporter, author.site.importer)
    with pytest.raises(InvalidQuestion, match="--trust"):
        await desk.take(str(tmp_path / "x"), confirmed, lambda *words: None)


async def test_a_caller_that_leaves_ends_the_export(sichuan: Running, author: Author, tmp_path: Path) -> None:
    def leave(client: PackagesClient) -> None:
        frames = client.export([author.dataset], {}, tmp_path / "a.guotu")
        next(frames)
        frames.close()

    await sichuan.call(leave)
    await sichuan.call(lambda client: list(client.export([author.dataset], {}, tmp_path / "b.guotu")))
    assert not (tmp_path / ".a.guotu.part").exists()
    assert (tmp_path / "b.guotu").exists()


async def test_no_node_on_the_socket(tmp_path: Path) -> None:
    with pytest.raises(NodeUnavailable), PackagesClient(tmp_path / "admin.sock") as client:
        list(client.take(tmp_path / "a", {}))


async def test_an_imported_version_is_told_as_a_whole_replica() -> None:
    held: list[DatasetRecord] = []
    advertised: list[ReplicaRecord] = []

    async def advertise(record: ReplicaRecord) -> None:
        advertised.append(record)

    async def dropped(dataset: str) -> None:
        raise AssertionError(dataset)

    record = DatasetRecord("510000/dltb", "dltb", "510000", 3, 1, None, b"", 0.0, "ab" * 32, "cd" * 32, 1)
    await held_as_replica("100000", Announce(held.append, advertise, dropped))(record)
    assert held == [record]
    assert advertised == [ReplicaRecord("510000/dltb", "100000", 3, "ab" * 32, "cd" * 32, whole=True)]


async def test_the_command_line_carries_versions(
    sichuan: Running, nation: Running, author: Author, tmp_path: Path
) -> None:
    first, mark = tmp_path / "first.guotu", fingerprint(author.site.key.public_bytes)
    result = await sichuan.guotu("export", author.dataset, "-o", str(first))
    assert result.exit_code == 0, result.stderr
    assert "已导出 exported" in result.stdout
    assert author.dataset in result.stdout
    assert "导出 export …" in result.stderr
    result = await nation.guotu("import", str(first))
    assert result.exit_code == 9
    assert f"--trust 510000={mark}" in result.stderr
    result = await nation.guotu("import", str(first), "--trust", f"510000={mark}", "--json")
    assert result.exit_code == 0, result.stderr
    received = json.loads(result.stdout)
    assert received == {
        "file": str(first), "cut": {author.dataset: 2}, "versions": 2, "objects": 2, "taken": 2,
        "bytes": first.stat().st_size,
    }  # fmt: skip
    (tmp_path / "received.json").write_text(result.stdout)
    await author.publish(edited(SECOND, {1: "x"}))
    next_file = str(tmp_path / "second.guotu")
    result = await sichuan.guotu("export", author.dataset, "--since", str(tmp_path / "received.json"), "-o", next_file)
    assert result.exit_code == 0, result.stderr
    result = await nation.guotu("import", next_file)
    assert result.exit_code == 0, result.stderr
    assert "其中新 of them new 1" in result.stdout
    assert await nation.site.rows(author.dataset) == await author.site.rows(author.dataset)


async def test_what_the_command_line_refuses(sichuan: Running, author: Author, tmp_path: Path) -> None:
    target = str(tmp_path / "x.guotu")
    for arguments in (
        (author.dataset, "--since", "nothing", "-o", target),
        (author.dataset, "--since", "510000/other@1", "-o", target),
        (author.dataset, "--since", f"{author.dataset}@x", "-o", target),
        ("no-dataset", "-o", target),
        (author.dataset, "-o", str(sichuan.config)),
    ):
        result = await sichuan.guotu("export", *arguments)
        assert result.exit_code == 2, (arguments, result.stdout, result.stderr)
    result = await sichuan.guotu("export", author.dataset, "--since", f"{author.dataset}@0", "-o", target, "--json")
    assert json.loads(result.stdout)["versions"] == 2
    result = await sichuan.guotu("import", str(tmp_path / "missing"))
    assert result.exit_code == 2
