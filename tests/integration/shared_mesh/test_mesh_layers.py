"""Layer overlays through real processes: killed and interrupted in the middle, the rest gives the same bytes."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from demo.mesh import LocalMesh
from demo.node_process import guotu_command
from guotu.model import errors
from guotu.model.question import LayerOverlay, ZoneSource
from guotu.overlays.folder import JobFolder
from guotu.overlays.job import OverlayJob
from tests.support.overlaying import Oracle
from tests.support.small_mesh import DATA, owner_of, run_guotu

QUESTION = LayerOverlay("landcover", ZoneSource("county", ("adcode",)), ("igbp",))
WORDS = ["overlay", "--zones-from", "county", "--zones-by", "adcode", "--with", "landcover", "--group-by", "igbp"]
Cross = dict[tuple[str, int], tuple[int, Decimal]]


def owned(source: str, *columns: str) -> dict[str, list[Any]]:
    rows = pq.read_table(DATA / source, columns=["adcode", *columns, "geometry"])
    return rows.filter([bool(owner_of(code)) for code in rows["adcode"].to_pylist()]).to_pydict()


@pytest.fixture(scope="module")
def expected() -> Cross:
    """What one computation over all files finds."""
    covers, counties = owned("landcover_2019.parquet", "igbp"), owned("county.parquet")
    oracle = Oracle(shapely.from_wkb(covers["geometry"]), [(igbp,) for igbp in covers["igbp"]])
    return {
        (str(zone), int(igbp)): found
        for (zone, igbp), found in oracle.rows(
            np.array(shapely.from_wkb(counties["geometry"])), counties["adcode"]
        ).items()
    }


def cross(rows: list[dict[str, Any]]) -> Cross:
    return {(row["zone_adcode"], row["igbp"]): (row["count"], row["area_m2"]) for row in rows}


def test_members_find_together_what_one_computation_finds(mesh: LocalMesh, expected: Cross) -> None:
    with mesh.client("100000") as client:
        answer = client.ask(QUESTION)
        assert cross(answer.table().to_pylist()) == expected
    assert len({dataset.split("/")[1] for dataset in answer.cut}) == 2
    assert answer.completeness.complete


def test_the_command_line_gives_the_same_member_by_member(mesh: LocalMesh, expected: Cross, tmp_path: Path) -> None:
    node = mesh.address("100000")
    ran = run_guotu(*WORDS, "--json", "--resume", tmp_path / "job", node=node)
    assert ran.code == 0, ran.err
    document = json.loads(ran.out, parse_float=Decimal)
    assert cross(document["rows"]) == expected
    assert "3 / 3" in ran.err
    (tmp_path / "cross.json").write_text(ran.out)
    verified = run_guotu("receipt", "verify", tmp_path / "cross.json", "--json", node=node)
    assert verified.code == 0, verified.out
    assert all(finding["proven"] for finding in verified.json["findings"])
    assert verified.json["statement"]["cut"] == document["cut"]
    assert {member["dataset"] for member in document["completeness"]["members"]} == {
        f"{owner}/landcover" for owner in ("500000", "510000", "510100")
    }
    with mesh.client("100000") as client:
        assert client.ask(QUESTION).digest.hex() == document["digest"]
    again = run_guotu(*WORDS, "--resume", tmp_path / "job", node="127.0.0.1:1")
    assert again.code == 6  # who is there to be asked is not known, though all parts are
    table = run_guotu(*WORDS, "--resume", tmp_path / "job", node=node)
    assert "resumed: 3 / 3" in table.err
    assert document["digest"] in table.out
    other = run_guotu(*WORDS, "--where", "igbp = 13", "--resume", tmp_path / "job", "--json", node=node)
    assert (other.code, other.json["error"]["facts"]["part"]) == (2, "--resume")


def test_within_a_division_all_are_asked_at_one_cut(mesh: LocalMesh, tmp_path: Path) -> None:
    node, target = mesh.address("100000"), tmp_path / "within.csv"
    ran = run_guotu(*WORDS, "--within-division", "成都市", "-o", target, "--json", node=node)
    assert ran.code == 0, ran.err
    assert ran.json["row_count"] > 0
    verified = run_guotu("receipt", "verify", target, "--json", node=node)
    assert verified.code == 0, verified.out
    again = run_guotu(*WORDS, "--within-division", "成都市", "--cut", target, "--json", node=node)
    assert (again.json["digest"], again.json["cut"]) == (ran.json["digest"], ran.json["cut"])


def test_it_is_explained(mesh: LocalMesh) -> None:
    ran = run_guotu("explain", *WORDS, "--analyze", "--json", node=mesh.address("100000"))
    assert ran.code == 0, ran.err
    assert ran.json["plan"]["pushed_down"][:2] == ["overlay with county", "zones by adcode"]
    assert ran.json["analysis"]["completeness"]["complete"]


class Breaks:
    """Asks a mesh, and fails like a lost connection at the third question: two members are finished by then."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.asked: list[str] = []

    def __call__(self, question: LayerOverlay) -> Iterator[Any]:
        self.asked.append(question.options.dataset)
        if len(self.asked) == 4:
            raise errors.NodeUnavailable(address="-", detail="cut off")
        return self._client.frames(question)


def test_what_was_finished_is_not_asked_again(mesh: LocalMesh, expected: Cross, tmp_path: Path) -> None:
    heads = {f"{owner}/landcover": 1 for owner in ("500000", "510000", "510100")}
    with mesh.client("100000") as client:
        ask = Breaks(client)
        with JobFolder(tmp_path) as folder, pytest.raises(errors.NodeUnavailable):
            list(OverlayJob(QUESTION, heads, ask, folder).run())
        kept = {path.stem.replace("~", "/") for path in (tmp_path / "parts").glob("*.json")}
        assert kept < heads.keys()
        rest: list[str] = []

        def ask_rest(question: LayerOverlay) -> Iterator[Any]:
            rest.append(question.options.dataset)
            return client.frames(question)

        with JobFolder(tmp_path) as folder:
            job = OverlayJob(QUESTION, {}, ask_rest, folder)
            list(job.run())
            frames = list(job.frames())
        assert set(rest) == heads.keys() - kept
        rows = [row for frame in frames[1:-1] for row in frame.rows.to_pylist()]  # type: ignore[union-attr]
        assert cross(rows) == expected


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_command_that_is_broken_off_goes_on_to_the_same_bytes(mesh: LocalMesh, tmp_path: Path, how: int) -> None:
    whole, target = tmp_path / "whole.csv", tmp_path / "broken.csv"
    node, job = mesh.address("100000"), tmp_path / "job"
    assert run_guotu(*WORDS, "-o", whole, node=node).code == 0
    command = [guotu_command(), "--node", node, *WORDS, "--resume", str(job), "-o", str(target)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        first = running.stderr.readline()
        running.send_signal(how)
        rest = running.stderr.read()
    assert "1 / 3" in first
    if how == signal.SIGINT and running.returncode == 130:
        assert f"--resume {job}" in rest
    again = run_guotu(*WORDS, "--resume", job, "-o", target, node=node)
    assert again.code == 0, again.err
    assert "resumed" in again.err
    assert target.read_bytes() == whole.read_bytes()
