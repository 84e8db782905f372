"""Answers that were put together from several: what the receipts of the parts prove of them, and what they do not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from federation.notary import Notary
from guotu.model import receipt
from guotu.model.answer import Frame, Trailer
from guotu.model.canonical import canonical_json
from guotu.model.question import Question
from guotu.model.question_document import question_document
from guotu.overlays import parts
from node.cli.program import program
from node.cli.saved_receipt import read_receipt
from node.cli.whole_check import check_whole
from sync.signing import NodeKey
from tests.support.scripted_mesh import LOST
from tests.support.signed_answers import saved
from tests.support.whole_answers import (
    LAYER,
    SignedLayers,
    SignedMesh,
    in_several,
    partial,
    small_requests,
)

Change = Callable[[dict[str, Any]], Any]
RUNS, MIXED, LARGE, LAYERS = "runs", "runs with a large zone", "a large zone", "layers"
KINDS = (RUNS, MIXED, LARGE, LAYERS)
PROVEN = dict.fromkeys(("signature", "parts", "account", "digest", "rows"), True)


@pytest.fixture(autouse=True)
def requests_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_requests(monkeypatch)


def answered(kind: str, notary: Notary | None, folder: Path) -> list[Frame]:
    if kind == LAYERS:
        return SignedLayers(notary).frames(folder / "job")
    names = {RUNS: ("甲", "乙", "丙", "丁", "戊"), MIXED: ("甲", "大", "乙"), LARGE: ("大",)}[kind]
    return SignedMesh(notary).frames(in_several(*names))


def verified(file: Path, key: NodeKey) -> Result:
    words = ["--node", "127.0.0.1:9", "receipt", "verify", str(file), "--key", key.public_bytes.hex(), "--json"]
    return CliRunner().invoke(program, words)


def findings(file: Path, key: NodeKey, job: Path | None = None) -> dict[str, bool | None]:
    read = read_receipt(file, job)
    assert read.whole is not None
    return {item.what: item.proven for item in check_whole(read, read.whole, key.public_bytes)}


def account_of(file: Path) -> dict[str, Any]:
    account: dict[str, Any] = json.loads(pq.ParquetFile(file).read().schema.metadata[b"guotu"])
    return account


def changed(file: Path, change: Change, rows: pa.Table | None = None) -> Path:
    """Write a Parquet file with another account, or other rows, beside it."""
    table = pq.ParquetFile(file).read()
    account = json.loads(table.schema.metadata[b"guotu"])
    change(account)
    other = file.with_name("other.parquet")
    kept = table if rows is None else rows
    pq.write_table(kept.replace_schema_metadata({"guotu": json.dumps(account)}), other)
    return other


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_put_together_is_proven_by_its_parts(
    kind: str, form: str, tmp_path: Path, key: NodeKey, notary: Notary
) -> None:
    result = verified(saved(form, tmp_path, answered(kind, notary, tmp_path)), key)
    found = {item["what"]: item["proven"] for item in json.loads(result.stdout)["findings"]}
    if kind in (RUNS, LAYERS):
        assert (result.exit_code, found) == (0, PROVEN), result.stdout
    else:  # nobody but who asked has seen the whole of the zone
        assert (result.exit_code, found) == (3, PROVEN | {"parts": None}), result.stdout
        assert "不可证" in result.stdout


@pytest.mark.parametrize("kind", [RUNS, LARGE])
def test_zones_without_groups_have_their_rows_and_shares_proven(
    kind: str, tmp_path: Path, key: NodeKey, notary: Notary
) -> None:
    names = ("甲", "乙", "丙") if kind == RUNS else ("大",)
    file = saved("parquet", tmp_path, SignedMesh(notary).frames(in_several(*names, group_by=())))
    assert findings(file, key) == PROVEN | ({} if kind == RUNS else {"parts": None})
    table = pq.ParquetFile(file).read()
    other = table.set_column(3, table.schema.field(3), pa.array([0.5] * table.num_rows))
    assert findings(changed(file, lambda _: None, other), key)["rows"] is False


def test_people_see_what_is_not_proven(tmp_path: Path, key: NodeKey, notary: Notary) -> None:
    file = saved("csv", tmp_path, answered(LARGE, notary, tmp_path))
    words = ["--node", "127.0.0.1:9", "receipt", "verify", str(file), "--key", key.public_bytes.hex()]
    result = CliRunner().invoke(program, words)
    assert result.exit_code == 3
    for expected in ("分部 parts", "不可证 not proven", "得证 proven", "回执 receipt  510000"):
        assert expected in result.stdout


def leaves(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to everything in a document that has no parts itself."""
    if isinstance(value, dict | list):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, (*way, name))
    else:
        yield way


def other_value(value: Any) -> Any:
    """Return another value of the kind; of a text one that differs in the middle."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, str):
        at = len(value) // 2
        return value[:at] + ("1" if value[at : at + 1] == "0" else "0") + value[at + 1 :]
    return value + 1


UNSIGNED = {
    "request_id", "bytes", "milliseconds", "next_page", "warnings", "form", "mode", "node", "detail", "size_bytes",
    "columns", "elapsed_ms", "advertised_rows", "advertised_territory_m2", "via", "receipt",
}  # fmt: skip
"""What stands in an account, and in no statement."""


@pytest.mark.parametrize("kind", KINDS)
def test_no_change_of_an_account_passes_unnoticed(kind: str, tmp_path: Path, key: NodeKey, notary: Notary) -> None:
    file = saved("parquet", tmp_path, answered(kind, notary, tmp_path))
    account = account_of(file)
    ways = [way for way in leaves(account) if way[0] == "whole" or not UNSIGNED.intersection(way)]
    assert len(ways) > 30
    for way in ways:

        def change(document: dict[str, Any], way: tuple[Any, ...] = way) -> None:
            for name in way[:-1]:
                document = document[name]
            document[way[-1]] = other_value(document[way[-1]])

        result = verified(changed(file, change), key)
        assert result.exit_code in (10, 2), way
        assert result.exit_code == 10 or "damaged" in result.stdout, way


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_row_is_proven(kind: str, tmp_path: Path, key: NodeKey, notary: Notary) -> None:
    file = saved("parquet", tmp_path, answered(kind, notary, tmp_path))
    table = pq.ParquetFile(file).read()
    turned = table.take([*range(1, table.num_rows), 0])
    more = table.set_column(
        table.num_columns - 3 if kind != LAYERS else 1, table.schema.field("count"), pa.array([9] * table.num_rows)
    )
    for rows in (table.slice(1), pa.concat_tables([table, table]), turned, more):
        assert findings(changed(file, lambda _: None, rows), key)["rows"] is False


def pieces(account: dict[str, Any]) -> list[Any]:
    found: list[Any] = account["whole"]["parts"]
    return found


def forged(account: dict[str, Any]) -> None:
    """Leave the last part out, and say that there never was one."""
    whole = account["whole"]
    said = json.loads(whole["statement"])
    said["count"] -= 1
    if "datasets" in said:
        del said["datasets"][max(said["datasets"])]
    whole["parts"].pop()
    whole["statement"] = canonical_json(said).decode()


@pytest.mark.parametrize("kind", [RUNS, LARGE, LAYERS])
@pytest.mark.parametrize("change", [
    lambda account: pieces(account).pop(),
    lambda account: pieces(account).__setitem__(0, None),
    lambda account: pieces(account).append(pieces(account)[0]),
    lambda account: pieces(account).__setitem__(0, pieces(account)[1]),
    lambda account: pieces(account).reverse(),
    lambda account: pieces(account).clear(),
    lambda account: pieces(account)[0].update(signature="00" * 64),
    lambda account: account["whole"].update(statement="{}"),
    forged,
])  # fmt: skip
def test_parts_are_all_there_each_once_and_in_their_places(
    kind: str, change: Change, tmp_path: Path, key: NodeKey, notary: Notary
) -> None:
    file = saved("parquet", tmp_path, answered(kind, notary, tmp_path))
    assert verified(changed(file, change), key).exit_code == 10


@pytest.mark.parametrize("kind", [RUNS, LARGE])
def test_a_part_of_another_answer_is_none_of_this(kind: str, tmp_path: Path, key: NodeKey, notary: Notary) -> None:
    file = saved("parquet", tmp_path, answered(kind, notary, tmp_path))
    names = ("甲", "乙", "丙", "丁", "己") if kind == RUNS else ("大",)
    question = in_several(*names, group_by=("DLBM",) if kind == RUNS else ())
    (tmp_path / "b").mkdir()
    other = saved("parquet", tmp_path / "b", SignedMesh(notary).frames(question))
    foreign = account_of(other)
    for number in range(2):
        mixed = changed(
            file, lambda account, number=number: pieces(account).__setitem__(number, pieces(foreign)[number])
        )
        found = findings(mixed, key)
        assert (found["signature"], found["parts"]) == (True, False)


def test_groups_that_were_not_signed_are_told(tmp_path: Path, key: NodeKey, notary: Notary) -> None:
    file = saved("parquet", tmp_path, answered(LAYERS, notary, tmp_path))

    def swap(account: dict[str, Any]) -> None:
        one, other = pieces(account)[:2]
        one["groups"], other["groups"] = other["groups"], one["groups"]

    found = findings(changed(file, swap), key)  # the sum is the same
    assert (found["parts"], found["rows"]) == (False, True)


@pytest.mark.parametrize("kind", [LARGE, LAYERS])
@pytest.mark.parametrize("told", [True, False])
def test_who_was_lost_is_proven_where_the_node_said_so(
    kind: str, told: bool, tmp_path: Path, key: NodeKey, notary: Notary
) -> None:
    lost = "510100/dltb"
    if kind == LAYERS:
        nodes = SignedLayers(notary, **{"lost" if told else "late": lost})
        frames = nodes.frames(tmp_path / "job", partial(LAYER))
    else:
        mesh = SignedMesh(notary, failure=LOST) if told else SignedMesh(notary, late=lost)
        frames = mesh.frames(partial(in_several("大")))
    file = saved("parquet", tmp_path, frames)
    found = findings(file, key)
    # Shares weigh members by what is advertised, which no receipt tells.
    assert found == PROVEN | {"account": None} | ({} if told and kind == LAYERS else {"parts": None})
    said = json.loads(verified(file, key).stdout)["statement"]
    assert said["unsigned"] == [*([] if told else ["outcomes"]), "rows_share", "territory_share"]

    def whole(account: dict[str, Any]) -> None:
        member = next(item for item in account["completeness"]["members"] if item["dataset"] == lost)
        member["outcome"] = "ANSWERED"

    assert verified(changed(file, whole), key).exit_code == 10


@pytest.mark.parametrize("kind", [LARGE, MIXED, LAYERS])
def test_groups_that_are_too_many_to_be_kept_are_not_proven(
    kind: str, tmp_path: Path, key: NodeKey, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MOST_BYTES", 500)
    file = saved("parquet", tmp_path, answered(kind, notary, tmp_path))
    assert b'"groups"' not in file.read_bytes()
    expected = PROVEN | {"digest": None, "rows": None} | ({} if kind == LAYERS else {"parts": None})
    assert findings(file, key) == expected
    if kind == LAYERS:  # the job's folder has them
        assert findings(file, key, tmp_path / "job") == PROVEN
        part = tmp_path / "job" / "parts" / "510100~dltb.json"
        part.unlink()
        assert findings(file, key, tmp_path / "job") == expected
    rows = pq.ParquetFile(file).read().slice(1)
    assert findings(changed(file, lambda _: None, rows), key)["rows"] is False


def test_the_folder_of_another_job_is_told(
    tmp_path: Path, key: NodeKey, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MOST_BYTES", 500)
    file = saved("csv", tmp_path, answered(LAYERS, notary, tmp_path))
    SignedLayers(notary, more=1).frames(tmp_path / "other")
    words = ["--node", "127.0.0.1:9", "receipt", "verify", str(file), "--key", key.public_bytes.hex(), "--json"]
    other = CliRunner().invoke(program, [*words, "--parts", str(tmp_path / "other")])
    assert (other.exit_code, "other groups than were signed" in other.stdout) == (10, True)
    assert CliRunner().invoke(program, [*words, "--parts", str(tmp_path / "job")]).exit_code == 0


def test_a_job_that_was_broken_off_proves_the_same(tmp_path: Path, key: NodeKey, notary: Notary) -> None:
    nodes = SignedLayers(notary, late="510700/dltb")
    nodes.frames(tmp_path / "job", partial(LAYER))
    frames = SignedLayers(notary).frames(tmp_path / "job")
    assert findings(saved("csv", tmp_path, frames), key) == PROVEN


def test_parts_that_other_nodes_signed_are_not_proven(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, key: NodeKey, notary: Notary
) -> None:
    file = saved("parquet", tmp_path, answered(LAYERS, notary, tmp_path))

    def elsewhere(account: dict[str, Any]) -> None:
        statement = pieces(account)[1]["statement"].replace('"node":"510000"', '"node":"100000"')
        pieces(account)[1]["statement"] = statement

    assert findings(changed(file, elsewhere), key) == PROVEN | {"signature": None}


def test_parts_that_a_node_of_an_earlier_release_signed_are_not_proven(
    tmp_path: Path, key: NodeKey, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unmarked(question: Question) -> dict[str, Any]:
        document = question_document(question)
        del document["part"]
        return document

    monkeypatch.setattr(receipt, "question_document", unmarked)
    file = saved("csv", tmp_path, answered(RUNS, notary, tmp_path))
    assert findings(file, key) == PROVEN | {"parts": None}


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_that_give_no_receipts_leave_nothing_to_prove(kind: str, tmp_path: Path, key: NodeKey) -> None:
    frames = answered(kind, None, tmp_path)
    trailer = frames[-1]
    assert isinstance(trailer, Trailer)
    assert (trailer.receipt, trailer.whole) == (None, None)
    result = verified(saved("csv", tmp_path, frames), key)
    assert (result.exit_code, "no receipt" in result.stdout) == (2, True)


def test_one_request_needs_no_parts(tmp_path: Path, notary: Notary) -> None:
    trailer = SignedMesh(notary).frames(in_several("甲", "乙"))[-1]
    assert isinstance(trailer, Trailer)
    assert trailer.receipt is not None
    assert trailer.whole is None
    assert json.loads(trailer.receipt.statement)["question"]["part"] is None


def test_each_part_is_marked_with_the_whole(tmp_path: Path, notary: Notary) -> None:
    trailer = answered(RUNS, notary, tmp_path)[-1]
    assert isinstance(trailer, Trailer)
    assert trailer.whole is not None
    mark = hashlib.sha256(trailer.whole.statement).hexdigest()
    signed = [part.signed for part in trailer.whole.parts if part is not None]
    told = [json.loads(one.statement)["question"]["part"] for one in signed]
    assert told == [{"whole": mark, "number": number, "count": 3} for number in range(3)]
