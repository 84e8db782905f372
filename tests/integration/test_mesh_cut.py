"""One cut on real nodes: answers are repeated, turned in pages and proven while their members go on publishing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import pyarrow as pa
import pytest

from demo.mesh import LocalMesh
from guotu.model.errors import IncompleteAnswer, InvalidQuestion
from tests.support.plots import FIELDS, catalogue, key, layer
from tests.support.small_mesh import eventually
from tests.support.version_mesh import NATION, ask, operate, running_mesh

PROVINCE, CITY = "510000", "510100"
"""The nation asks the province, which asks the city."""
OWNERS = (PROVINCE, CITY)
COLLECTION = "tt"
ROWS = 30
SIZE = 13
OPTIONS = {"versions.keep": 2, "versions.grace_hours": 0.0}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """Three nodes with a collection in common."""
    folder = tmp_path_factory.mktemp("catalogue")
    with running_mesh([NATION, *OWNERS], OPTIONS) as made:
        path = folder / "catalogue.toml"
        path.write_text(catalogue(COLLECTION, FIELDS), encoding="utf-8")
        operate(made, NATION, "catalogue", "apply", path, "--yes")
        for node in (NATION, *OWNERS):
            eventually(lambda node=node: has_collection(made, node))  # type: ignore[misc]
        yield made


def has_collection(mesh: LocalMesh, node: str) -> bool:
    with mesh.client(node) as client:
        return any(item.id == COLLECTION for item in client.collections())


def publish(mesh: LocalMesh, node: str, rows: gpd.GeoDataFrame, folder: Path) -> int:
    """Publish a layer and wait until all who ask its owner have heard; returns the version."""
    path = folder / f"{node}.gpkg"
    path.unlink(missing_ok=True)
    rows.to_file(path)
    version = int(operate(mesh, node, "publish", COLLECTION, "--from", path)["head"]["version"])
    above = [NATION] if node == NATION else [NATION, PROVINCE]
    eventually(lambda: all(heads(mesh, asked).get(f"{node}/{COLLECTION}") == version for asked in above))
    return version


def heads(mesh: LocalMesh, asked: str = NATION) -> dict[str, int]:
    with mesh.client(asked) as client:
        return {item.dataset: item.version for item in client.datasets(COLLECTION)}


def is_whole(mesh: LocalMesh) -> bool:
    """Tell whether all answer the nation: it leaves who did not answer a moment ago alone for a while."""
    with mesh.client(NATION) as client:
        return client.stats(COLLECTION, count=True, partial=True).completeness.complete


def changed(luck: int) -> gpd.GeoDataFrame:
    """Return the layer with rows gone, others come and all areas changed."""
    rows = layer(ROWS + luck).iloc[luck:].copy()
    rows["MJ"] += luck
    return rows


@pytest.fixture
def first(mesh: LocalMesh, tmp_path: Path) -> tuple[Path, pa.Table]:
    """Publish the layer at both owners, ask for all of it, and save the answer: its file and its rows."""
    for node in OWNERS:
        publish(mesh, node, layer(ROWS), tmp_path)
    saved = tmp_path / "first.parquet"
    ask(mesh, NATION, "query", COLLECTION, "-o", saved)
    with mesh.client(NATION) as client:
        return saved, client.query(COLLECTION).table()


def told(rows: pa.Table) -> list[tuple[str, float]]:
    return sorted(zip(rows["BSM"].to_pylist(), rows["MJ"].to_pylist(), strict=True))


def test_an_answer_is_repeated_and_proven_until_its_versions_are_gone(
    mesh: LocalMesh, first: tuple[Path, pa.Table], tmp_path: Path
) -> None:
    saved, _ = first
    again = tmp_path / "again.parquet"
    whole = ask(mesh, NATION, "query", COLLECTION, "-o", again)
    for node in OWNERS:
        publish(mesh, node, changed(3), tmp_path)
    publish(mesh, NATION, layer(5), tmp_path)  # a dataset that did not exist
    with mesh.client(NATION) as client:
        assert client.query(COLLECTION).table().num_rows == 2 * ROWS + 5
    for asked, form in ((NATION, "parquet"), (PROVINCE, "gpkg"), (PROVINCE, "fgb"), (PROVINCE, "csv")):
        again = again.with_suffix(f".{form}")
        answer = ask(mesh, asked, "query", COLLECTION, "--cut", saved, "-o", again)
        assert (answer["digest"], answer["cut"]) == (whole["digest"], whole["cut"])
        verified = ask(mesh, NATION, "receipt", "verify", again)
        assert [item["proven"] for item in verified["findings"]] == [True] * 4
        assert (verified["node"], verified["statement"]["complete"]) == (asked, True)
    again.write_text(again.read_text().replace(",1", ",2", 1))
    differs = ask(mesh, NATION, "receipt", "verify", again, code=10)
    assert [item["proven"] for item in differs["findings"]] == [True, True, True, False]
    for luck in (5, 7):
        for node in OWNERS:
            publish(mesh, node, changed(luck), tmp_path)
    gone = ask(mesh, NATION, "query", COLLECTION, "--cut", saved, code=4)["error"]
    assert gone["reason"] == "VERSION_GONE"
    head = heads(mesh)[f"{CITY}/{COLLECTION}"]
    for node in OWNERS:
        version = whole["cut"][f"{node}/{COLLECTION}"]
        assert f"{node}/{COLLECTION}@{version} [{head - 1}–{head}]" in gone["facts"]["gone"]
    assert len(gone["completeness"]["members"]) == len(whole["cut"])


def test_pages_are_the_whole_while_members_publish_and_the_asked_node_restarts(
    mesh: LocalMesh, first: tuple[Path, pa.Table], tmp_path: Path
) -> None:
    _, rows = first
    found, token = [], ""
    for number in range(10):
        with mesh.client(NATION) as client:
            page = client.query(COLLECTION, sort=["-DLBM", "BZ"], page_size=SIZE, page=token)
            found.append(page.table())
            token = page.next_page
        if not token:
            break
        if number == 0:
            publish(mesh, PROVINCE, changed(11), tmp_path)
        if number == 1:
            publish(mesh, CITY, changed(13), tmp_path)
            mesh.restart(NATION)
    assert [part.num_rows for part in found][:2] == [SIZE, SIZE]
    assert told(pa.concat_tables(found)) == told(rows)
    with mesh.client(NATION) as client:
        assert told(client.query(COLLECTION).table()) != told(rows)


def test_a_member_that_is_lost_between_two_pages_marks_them_and_the_others_go_on(
    mesh: LocalMesh, first: tuple[Path, pa.Table]
) -> None:
    with mesh.client(NATION) as client:
        whole = client.query(COLLECTION, fields=["BSM"]).table()["BSM"].to_pylist()
        page = client.query(COLLECTION, fields=["BSM"], page_size=SIZE)
        assert page.completeness.complete
        token, found = page.next_page, page.table()["BSM"].to_pylist()
        mesh.kill(CITY)
        for page in client.pages(COLLECTION, fields=["BSM"], page_size=SIZE, page=token, partial=True):
            found += page.table()["BSM"].to_pylist()
            token = page.next_page or token
        assert [member.dataset for member in page.completeness.missing] == [f"{CITY}/{COLLECTION}"]
        with pytest.raises(IncompleteAnswer):
            client.query(COLLECTION, fields=["BSM"], page_size=SIZE, page=token).table()
    mesh.start_node(CITY)
    eventually(lambda: is_whole(mesh))
    assert sorted([*found, *map(key, range(ROWS))]) == sorted(whole)


def test_the_token_of_another_question_is_refused(mesh: LocalMesh, first: tuple[Path, pa.Table]) -> None:
    with mesh.client(NATION) as client:
        token = client.query(COLLECTION, page_size=5).next_page
        with pytest.raises(InvalidQuestion, match="another question"):
            client.query(COLLECTION, where="MJ > 0", page_size=5, page=token)
    with mesh.client(PROVINCE) as client, pytest.raises(InvalidQuestion, match="another node"):
        client.query(COLLECTION, page_size=5, page=token)
