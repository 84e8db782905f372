"""Receipts: what a node signed of an answer holds for the answer as it was saved, and for no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from click.testing import CliRunner, Result

from federation.notary import Notary
from guotu.model.answer import Batch, Frame
from guotu.model.canonical import canonical_json
from guotu.model.errors import InvalidQuestion
from guotu.model.question import Aggregate, AggregateFunction, Options, Overlay, Page, Query, Selection, Stats
from guotu.model.question_document import question_document
from guotu.model.zones import zones_of
from node.cli.export import sidecar_path
from node.cli.program import program
from node.cli.saved_receipt import read_receipt
from sync.signing import NodeKey
from sync.trust import fingerprint
from tests.support.canned_node import NODE, CannedNode, Script
from tests.support.cli_answers import FINITE, SCHEMA, finite_frames, group_frames, overlay_frames, row_frames
from tests.support.mesh_of_rows import MeshOfRows
from tests.support.signed_answers import ALL_FORMS, FixedClock, member_frames, saved, signed

NOBODY = "127.0.0.1:9"


def verified(file: Path, *words: str, node: str = NOBODY) -> Result:
    return CliRunner().invoke(program, ["--node", node, "--timeout", "60", "receipt", "verify", str(file), *words])


def findings(result: Result) -> dict[str, bool | None]:
    return {item["what"]: item["proven"] for item in json.loads(result.stdout)["findings"]}


def rewritten(file: Path, change: Callable[[dict[str, Any]], None], rows: pa.Table | None = None) -> Path:
    """Write a Parquet file again with another account, or other rows."""
    table = pq.ParquetFile(file).read()
    account = json.loads(table.schema.metadata[b"guotu"])
    change(account)
    kept = table if rows is None else rows
    pq.write_table(kept.replace_schema_metadata({"guotu": json.dumps(account)}), file)
    return file


@pytest.mark.parametrize("form", ALL_FORMS)
def test_a_saved_answer_is_verified_to_the_last_row(form: str, tmp_path: Path, key: NodeKey, notary: Notary) -> None:
    file = saved(form, tmp_path, signed(finite_frames(), notary))
    result = verified(file, "--key", key.public_bytes.hex(), "--json")
    assert result.exit_code == 0, result.stdout
    assert findings(result) == {"signature": True, "account": True, "digest": True, "rows": True}
    said = json.loads(result.stdout)["statement"]
    assert (said["node"], said["time_ms"], said["cut"]) == ("510000", FixedClock().now_ms(), {"510100/landcover": 3})
    assert said["question"]["selection"]["filter"] == "igbp = 13"


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
@pytest.mark.parametrize("frames", [group_frames, overlay_frames])
def test_groups_are_proven_to_the_digit(
    frames: Callable[[], Iterator[Frame]], form: str, tmp_path: Path, key: NodeKey, notary: Notary
) -> None:
    file = saved(form, tmp_path, signed(frames(), notary))
    assert verified(file, "--key", key.public_bytes.hex()).exit_code == 0


def test_people_see_a_table_in_both_languages(tmp_path: Path, key: NodeKey, notary: Notary) -> None:
    result = verified(saved("parquet", tmp_path, signed(row_frames(), notary)), "--key", fingerprint(key.public_bytes))
    assert result.exit_code == 0
    for expected in ("得证 proven", "签名 signature", "行 rows", fingerprint(key.public_bytes), "回执 receipt"):
        assert expected in result.stdout


def test_what_json_printed_is_verified(tmp_path: Path, key: NodeKey, notary: Notary) -> None:
    node = CannedNode(Script(frames=list(signed(group_frames(), notary))))
    ran = CliRunner().invoke(program, ["--node", node.address, "stats", "landcover", "--count", "--json"])
    node.stop()
    file = tmp_path / "answer.json"
    file.write_text(ran.stdout)
    assert verified(file, "--key", key.public_bytes.hex()).exit_code == 0


def test_no_bit_of_a_receipt_can_be_another(tmp_path: Path, key: NodeKey, notary: Notary) -> None:
    file = saved("csv", tmp_path, signed(row_frames(), notary))
    account = json.loads(sidecar_path(file).read_text())
    statement, signature = account["receipt"]["statement"], account["receipt"]["signature"]
    changed = [(_flipped(statement, place), signature) for place in range(0, len(statement), 11)]
    changed += [(statement, _flipped(signature, place)) for place in range(0, len(signature), 9)]
    for other in [
        *changed,
        (statement, signature[:-2]),
        (statement + " ", signature),
        ("", signature),
        ("{}", signature),
    ]:
        account["receipt"] = {"statement": other[0], "signature": other[1]}
        sidecar_path(file).write_text(json.dumps(account))
        assert verified(file, "--key", key.public_bytes.hex()).exit_code == 10, other


def _flipped(text: str, place: int) -> str:
    digits = "0123456789abcdef"
    letter = text[place]
    other = digits[digits.index(letter) ^ 1] if letter in digits else chr(ord(letter) ^ 1)
    return text[:place] + other + text[place + 1 :]


@pytest.mark.parametrize("change", [
    lambda account: account.update(digest="00" * 32),
    lambda account: account.update(cut={"510100/landcover": 4}),
    lambda account: account.update(row_count=5),
    lambda account: account["segments"].clear(),
    lambda account: account["completeness"].update(complete=False),
    lambda account: account["completeness"]["members"][0].update(outcome="REPLICA"),
    lambda account: account["completeness"]["members"].clear(),
    lambda account: account.pop("completeness"),
])  # fmt: skip
def test_what_stands_beside_the_rows_is_what_was_signed(
    change: Callable[[dict[str, Any]], None], tmp_path: Path, key: NodeKey, notary: Notary
) -> None:
    file = rewritten(saved("parquet", tmp_path, signed(row_frames(), notary)), change)
    result = verified(file, "--key", key.public_bytes.hex(), "--json")
    assert result.exit_code == 10
    assert findings(result) == {"signature": True, "account": False, "digest": True, "rows": True}


@pytest.mark.parametrize("change", [
    lambda said: said["segments"][0].update(rows=-4),
    lambda said: said["segments"][0].update(rows=10**30),
    lambda said: said["segments"][0].update(rows=float("inf")),
    lambda said: said.update(time_ms=10**30),
    lambda said: said.update(segments="none", outcomes=None, node={}, question=7),
])  # fmt: skip
def test_a_statement_that_makes_no_sense_differs(
    change: Callable[[dict[str, Any]], None], tmp_path: Path, key: NodeKey, notary: Notary
) -> None:
    def distort(account: dict[str, Any]) -> None:
        said = json.loads(account["receipt"]["statement"])
        change(said)
        account["receipt"]["statement"] = json.dumps(said)

    file = rewritten(saved("parquet", tmp_path, signed(row_frames(), notary)), distort)
    result = verified(file, "--key", key.public_bytes.hex())
    assert (result.exit_code, result.exception is None or isinstance(result.exception, SystemExit)) == (10, True)


def test_rows_that_are_others_are_found(tmp_path: Path, key: NodeKey, notary: Notary) -> None:
    file = saved("parquet", tmp_path, signed(row_frames(), notary))
    table = pq.ParquetFile(file).read()
    other = table.set_column(1, table.schema.field(1), pa.array([13, None, 1, 1]))
    named = table.rename_columns(["bsm", "igbp", "area", "surveyed", "wet", "geometry"])
    for rows in (other, named, table.slice(1), table.take([1, 0, 2, 3]), pa.concat_tables([table, table])):
        result = verified(rewritten(file, lambda _: None, rows), "--key", key.public_bytes.hex(), "--json")
        assert (result.exit_code, findings(result)["rows"]) == (10, False)
    file.write_bytes(file.read_bytes()[:4] + b"\0" * 40 + file.read_bytes()[44:])
    assert verified(file, "--key", key.public_bytes.hex()).exit_code == 10


def test_a_key_is_the_one_given_or_the_one_that_is_registered(tmp_path: Path, key: NodeKey, notary: Notary) -> None:
    file = saved("parquet", tmp_path, signed(row_frames(), notary))
    unknown = verified(file, "--json")
    assert unknown.exit_code == 9
    error = json.loads(unknown.stdout)["error"]
    assert (error["reason"], error["facts"]["fingerprint"]) == ("UNCONFIRMED_KEY", fingerprint(key.public_bytes))
    assert verified(file, "--key", "ab" * 32).exit_code == 10
    kept = tmp_path / "key.hex"
    kept.write_text(f"{key.public_bytes.hex()}\n")
    assert verified(file, "--key", str(kept)).exit_code == 0
    for nonsense in ("ab", "zz" * 32, str(tmp_path / "nothing"), "x" * 5000):
        assert verified(file, "--key", nonsense).exit_code == 2
    for registered, code in ((key.public_bytes, 0), (b"\1" * 32, 10), (b"", 9)):
        node = CannedNode(Script(), record=replace(NODE, public_key=registered))
        assert verified(file, node=node.address).exit_code == code
        node.stop()


@pytest.mark.parametrize("form", ["parquet", "csv", "gpkg"])
def test_rows_of_members_that_were_cut_short_are_told_apart(
    form: str, tmp_path: Path, key: NodeKey, notary: Notary
) -> None:
    parts = {"510000/landcover": FINITE.slice(0, 3), "510100/landcover": FINITE}
    frames = list(signed(member_frames(parts, SCHEMA, cut_short=["510000/landcover"]), notary))
    result = verified(saved(form, tmp_path, frames), "--key", key.public_bytes.hex(), "--json")
    assert (result.exit_code, findings(result)["rows"]) == (3, None)
    rows = pa.concat_batches(parts.values())
    for other in (rows.take([0, 1, 2, 4, 3, 5, 6]), rows.slice(1)):
        runs = {"510000/landcover": other.slice(0, 3), "510100/landcover": other.slice(3)}
        batches = [Batch(dataset, run) for dataset, run in runs.items()]
        result = verified(
            saved(form, tmp_path, [frames[0], *batches, frames[-1]]), "--key", key.public_bytes.hex(), "--json"
        )
        assert (result.exit_code, findings(result)["rows"]) == (10, False)


def test_answers_without_a_receipt_are_told(tmp_path: Path) -> None:
    file = saved("parquet", tmp_path, row_frames())
    assert verified(file).exit_code == 2
    rewritten(file, lambda account: account.update(receipt={"statement": "x"}))
    with pytest.raises(InvalidQuestion, match="damaged"):
        read_receipt(file)


async def test_a_node_gives_receipts_to_who_asks_for_one(notary: Notary) -> None:
    mesh = MeshOfRows({"100000": [{"BSM": "1"}], "510000": [{"BSM": "2"}]}, notary)
    _, without, _ = await mesh.ask(Query("dltb"))
    assert without.receipt is None
    _, trailer, header = await mesh.ask(Query("dltb", page=Page(1), options=Options(receipt=True)))
    assert trailer.receipt is not None
    said = json.loads(trailer.receipt.statement)
    assert (said["node"], said["digest"], said["cut"]) == ("100000", trailer.digest.hex(), dict(header.cut))
    assert said["question"]["page"]["size"] == 1
    assert canonical_json(said) == trailer.receipt.statement


def test_a_question_has_one_document() -> None:
    count = Aggregate(AggregateFunction.COUNT, "", "count")
    zones = zones_of(["a"], np.array([shapely.box(104, 30, 105, 31)]))
    found = question_document(Stats("dltb", (count,), ("DLBM",)))
    assert (found["kind"], found["aggregates"]) == ("stats", [{"function": "count", "field": "", "alias": "count"}])
    assert found["options"] == {
        "scope": "subtree", "completeness": "require_all", "cut": {}, "dataset": "", "closed": False,
    }  # fmt: skip
    overlay = question_document(Overlay("dltb", zones))
    assert (overlay["kind"], overlay["zones"]["count"], len(overlay["zones"]["sha256"])) == ("overlay", 1, 64)
    polygon = question_document(Query("dltb", Selection(within=b"x"), page=Page(7, "token")))
    assert len(polygon["selection"]["within"]["sha256"]) == len(polygon["page"]["token"]["sha256"]) == 64
    for question in (Query("dltb"), Stats("dltb", (count,)), Overlay("dltb", zones)):
        asked = question_document(question)
        assert set(asked) == {"kind", *(part.name for part in fields(question))}
        assert asked == question_document(replace(question, options=Options(receipt=True)))
        assert canonical_json(asked)
