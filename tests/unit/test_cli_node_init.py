"""`guotu node init`: a configuration that works, a private directory, and nothing lost by doing it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from node.cli.program import program
from node.config import load_config


def init(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(program, ["--config", str(path), "node", "init", *arguments])


def test_a_first_init_makes_all_that_a_node_needs(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "guotu.toml"
    result = init(
        path, "--id", "510000", "--etcd", "10.0.0.1:2379", "--etcd", "10.0.0.2:2379", "--metrics", "", "--json"
    )
    assert result.exit_code == 0, result.stderr
    made = json.loads(result.stdout)
    assert (made["written"], made["key_created"], made["node"]) == (True, True, "510000")
    config = load_config(path)
    assert config.registry.endpoints == ("10.0.0.1:2379", "10.0.0.2:2379")
    assert config.metrics.listen == ""
    home = config.node.data_dir
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "identity" / "ed25519.pem").stat().st_mode & 0o777 == 0o600
    assert {part.name for part in home.iterdir()} == {"identity", "instance", "objects", "scratch"}


def test_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "guotu.toml"
    init(path, "--id", "510000")
    before = {part: part.read_bytes() for part in tmp_path.rglob("*") if part.is_file()}
    for arguments in (["--id", "510000"], []):
        result = init(path, *arguments)
        assert result.exit_code == 0
        assert "未改动 unchanged" in result.stderr
        assert {part: part.read_bytes() for part in tmp_path.rglob("*") if part.is_file()} == before


def test_another_configuration_is_not_lost_by_accident(tmp_path: Path) -> None:
    path = tmp_path / "guotu.toml"
    init(path, "--id", "510000")
    key = (tmp_path / "guotu-data/identity/ed25519.pem").read_bytes()
    result = init(path, "--id", "510100")
    assert result.exit_code == 8
    assert "--force" in result.stderr
    assert load_config(path).node.id == "510000"
    assert init(path, "--id", "510100", "--force").exit_code == 0
    assert load_config(path).node.id == "510100"
    assert (tmp_path / "guotu-data/identity/ed25519.pem").read_bytes() == key


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--id"),
        (["--id", "51"], "node.id"),
        (["--id", "510000", "--listen", "10.0.0.5:7083"], "allow_plaintext"),
        (["--id", "510000", "--etcd", "nowhere"], "registry.endpoints"),
    ],
)
def test_what_would_not_start_is_not_written(tmp_path: Path, arguments: list[str], expected: str) -> None:
    result = init(tmp_path / "guotu.toml", *arguments)
    assert result.exit_code == 2
    assert expected in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_listening_to_the_world_in_plaintext_takes_a_word(tmp_path: Path) -> None:
    path = tmp_path / "guotu.toml"
    assert init(path, "--id", "510000", "--listen", "10.0.0.5:7083", "--allow-plaintext").exit_code == 0
    assert load_config(path).grpc.allow_plaintext is True


def test_a_broken_key_is_told_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "guotu.toml"
    init(path, "--id", "510000")
    key = tmp_path / "guotu-data/identity/ed25519.pem"
    key.write_text("broken")
    assert init(path).exit_code == 2
    assert key.read_text() == "broken"
