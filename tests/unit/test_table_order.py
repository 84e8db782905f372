"""Which database a table is read from, and that its URL shows nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guotu.model.errors import InvalidQuestion
from node.cli.table_order import TableOrder, database_url
from node.config import NodeConfig, config_from

URL = "postgresql://reader:secret-word@db/land"


def config(**store: Any) -> NodeConfig:
    return config_from({"node": {"id": "510000"}, "store": store}, Path("/srv/guotu"), "test.toml")


def test_the_database_named_comes_first() -> None:
    assert database_url(URL, config(kind="postgis", url="postgresql://own@db/node")) == URL


def test_a_node_over_postgis_reads_its_own_database(tmp_path: Path) -> None:
    assert database_url("", config(kind="postgis", url=URL)) == URL
    file = tmp_path / "url"
    file.write_text(f"{URL}\n", encoding="ascii")
    file.chmod(0o600)
    assert database_url("", config(kind="postgis", url_file=str(file))) == URL


def test_a_node_without_a_database_is_told_how_to_name_one() -> None:
    with pytest.raises(InvalidQuestion, match="GUOTU_DATABASE"):
        database_url("", config())


def test_what_is_no_url_is_refused_without_being_shown() -> None:
    with pytest.raises(InvalidQuestion) as caught:
        database_url("reader:secret-word@db", config())
    assert "postgresql://" in str(caught.value)
    assert "secret-word" not in str(caught.value)
    assert "secret-word" not in repr(TableOrder("t", database=URL))
