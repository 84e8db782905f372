"""`guotu catalogue` against a real etcd: shown first, applied when agreed, and checked before anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from node.cli.program import program
from registry.catalogue import national_catalogue_path
from tests.support.etcd import EtcdServer

NATIONAL = national_catalogue_path()


def catalogue(etcd: EtcdServer, *arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(program, ["catalogue", *arguments, "--etcd", etcd.endpoint], input=answer)


def in_force(etcd: EtcdServer) -> set[str]:
    return {item["id"] for item in json.loads(catalogue(etcd, "show", "--json").stdout)["collections"]}


def test_path_names_the_installed_file() -> None:
    assert CliRunner().invoke(program, ["catalogue", "path"]).stdout.strip() == str(NATIONAL)
    found = json.loads(CliRunner().invoke(program, ["catalogue", "path", "--json"]).stdout)
    assert found == {"path": str(NATIONAL)}


def test_nothing_is_applied_without_agreement(etcd: EtcdServer) -> None:
    for arguments, answer in ((["--dry-run", "--yes"], ""), ([], "n\n"), (["--json"], "")):
        result = catalogue(etcd, "apply", str(NATIONAL), *arguments, answer=answer)
        assert result.exit_code == 0, result.stderr
        assert "dltb" in result.stdout
        assert in_force(etcd) == set()


@pytest.mark.parametrize(("arguments", "answer"), [(["--yes"], ""), ([], "y\n"), (["--yes", "--json"], "")])
def test_what_is_agreed_is_in_force_and_changes_nothing_again(
    etcd: EtcdServer, arguments: list[str], answer: str
) -> None:
    assert catalogue(etcd, "apply", str(NATIONAL), *arguments, answer=answer).exit_code == 0
    assert {"dltb", "county", "landcover"} <= in_force(etcd)
    again = catalogue(etcd, "apply", str(NATIONAL), "--yes", "--json")
    assert json.loads(again.stdout) == {"applied": False, "edition": "2026.1", "changes": []}


def test_removal_takes_prune(etcd: EtcdServer, tmp_path: Path) -> None:
    catalogue(etcd, "apply", str(NATIONAL), "--yes")
    text = NATIONAL.read_text(encoding="utf-8")
    head, *collections = text.split("[[collections]]")
    kept = [part for part in collections if '\nid = "county"' in part]
    smaller = tmp_path / "smaller.toml"
    smaller.write_text("[[collections]]".join([head, *kept]), encoding="utf-8")
    catalogue(etcd, "apply", str(smaller), "--yes")
    assert "dltb" in in_force(etcd)
    result = catalogue(etcd, "apply", str(smaller), "--yes", "--prune")
    assert "不兼容 BREAKING" in result.stdout
    assert in_force(etcd) == {"county"}


def test_a_file_with_faults_changes_nothing(etcd: EtcdServer, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text(NATIONAL.read_text(encoding="utf-8").replace('key = "BSM"', 'key = "NOPE"'), encoding="utf-8")
    result = catalogue(etcd, "apply", str(broken), "--yes", "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["reason"]) == (2, "INVALID_CATALOGUE")
    assert in_force(etcd) == set()


def test_etcd_out_of_reach_is_unavailable() -> None:
    arguments = ["catalogue", "show", "--etcd", "127.0.0.1:1", "--json"]
    result = CliRunner().invoke(program, arguments)
    assert (result.exit_code, json.loads(result.stdout)["error"]["reason"]) == (6, "REGISTRY_UNAVAILABLE")
